package midas

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"midas/internal/datadir"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

const (
	scratchPattern = "check-*"
	scratchLeft    = 24 * time.Hour // after which a folder was left by a process that was killed
)

// withScratch runs fn with an empty store in the data folder, which it removes at the end. It is for copies of a store
// that other processes write.
func withScratch(dir *datadir.Dir, fn func(store.Engine) error) (err error) {
	folder, err := scratchFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	engine, err := pebble.Open(folder, pebble.Options{})
	if err != nil {
		return err
	}
	return errors.Join(fn(engine), engine.Close())
}

// scratchFolder makes a folder for the copy of a store, and removes those that were left.
func scratchFolder(dir *datadir.Dir) (string, error) {
	left, err := filepath.Glob(dir.Path(scratchPattern))
	for _, folder := range left {
		if info, err := os.Stat(folder); err == nil && time.Since(info.ModTime()) > scratchLeft {
			_ = os.RemoveAll(folder) // the next copy tries again
		}
	}
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(dir.Path(""), scratchPattern)
}
