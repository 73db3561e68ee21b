package midas

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"midas/internal/backup"
	"midas/internal/check"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/store"
)

// Check writes what is inconsistent in a store as JSON lines: objects with rule, kind, key and message. It reads one
// revision and changes nothing. While a server runs on the data folder, Check asks that server; otherwise it opens the
// store. It uses only Data and Store of cfg.
func Check(ctx context.Context, cfg Config, w io.Writer) error {
	return command(ctx, cfg, func(c control.Commands) error { return c.Check(ctx, w) })
}

// writeFindings checks a store. A store that other processes write is copied first, because its engine may not keep a
// revision for as long as a check takes, and because a rule reads many records one by one.
func writeFindings(ctx context.Context, dir *datadir.Dir, st *opened, w io.Writer) error {
	if !st.shared() {
		return findings(ctx, st, w)
	}
	err := withScratch(dir, func(scratch store.Engine) error {
		copied := store.New(scratch, store.Options{})
		if err := backup.Mirror(ctx, st, copied); err != nil {
			return err
		}
		return findings(ctx, copied, w)
	})
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	return nil
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
