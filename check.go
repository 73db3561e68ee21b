package midas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"midas/internal/backup"
	"midas/internal/check"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// Check writes what is inconsistent in a store as JSON lines: objects with rule, kind, key and message. It reads one
// revision and changes nothing. While a server runs on the data folder, Check asks that server; otherwise it opens the
// store. It uses only Data and Store of cfg.
func Check(ctx context.Context, cfg Config, w io.Writer) error {
	return command(ctx, cfg, func(c control.Commands) error { return c.Check(ctx, w) })
}

// writeFindings checks a store. A store that other processes write is copied first, because its engine may not keep a
// revision for as long as a check takes, and because a rule reads many records one by one.
func writeFindings(ctx context.Context, dir *datadir.Dir, st *opened, w io.Writer) (err error) {
	if !st.shared() {
		return findings(ctx, st, w)
	}
	folder, err := checkFolder(dir)
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	engine, err := pebble.Open(folder, pebble.Options{})
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	copied := store.New(engine, store.Options{})
	err = backup.Mirror(ctx, st, copied)
	if err == nil {
		err = findings(ctx, copied, w)
	}
	if err != nil {
		err = fmt.Errorf("check the store: %w", err)
	}
	return errors.Join(err, copied.Close())
}

const (
	checkPattern = "check-*"
	checkLeft    = 24 * time.Hour // after which the copy of a check was left by a process that was killed
)

// checkFolder makes a folder for the copy of a store, and removes those that were left.
func checkFolder(dir *datadir.Dir) (string, error) {
	left, err := filepath.Glob(dir.Path(checkPattern))
	for _, folder := range left {
		if info, err := os.Stat(folder); err == nil && time.Since(info.ModTime()) > checkLeft {
			_ = os.RemoveAll(folder) // the next check tries again
		}
	}
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(dir.Path(""), checkPattern)
}

func findings(ctx context.Context, st store.Store, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	begun := false
	return st.View(ctx, func(tx store.Tx) error {
		if begun {
			return fmt.Errorf("check the store: the engine has removed the revision during the check; check again")
		}
		begun = true
		return check.Run(tx, time.Now(), func(f check.Finding) error {
			if err := out.Encode(f); err != nil {
				return fmt.Errorf("write a finding: %w", err)
			}
			return nil
		})
	})
}
