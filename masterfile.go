package midas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"midas/internal/atomicfile"
	"midas/internal/datadir"
	"midas/internal/seal"
)

// masterFile replaces the master key of an installation. The new key lies in a file of its own until the store has
// been changed, so that both keys are known whenever the process ends.
type masterFile struct {
	cfg  Config
	dir  *datadir.Dir
	path string // of the current key; empty if it is not in a file, so that Midas cannot replace it
	to   string // of the new key
}

// nextSuffix is added to the name of a file with a master key for the key that will replace it.
const nextSuffix = ".next"

// masterFile is where the master key of the configuration is replaced.
func (c Config) masterFile(dir *datadir.Dir) masterFile {
	m := masterFile{cfg: c, dir: dir, path: c.MasterKey.File}
	if !c.MasterKey.explicit() {
		m.path = dir.Path(datadir.MasterFile)
	}
	m.to = m.path + nextSuffix
	return m
}

// known returns the keys with which the store may be sealed: the current one, and the new one of an interrupted
// change. A key that is lost or damaged is left out.
func (m masterFile) known(ctx context.Context) (keys []seal.MasterKey) {
	if key, err := m.cfg.master(ctx); err == nil {
		keys = append(keys, key)
	}
	if m.path == "" {
		return keys
	}
	if key, err := readMaster(m.to); err == nil {
		keys = append(keys, key)
	}
	return keys
}

func readMaster(path string) (key seal.MasterKey, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("read the master key: %w", err)
	}
	key, ok := datadir.ParseMaster(text)
	if !ok {
		return key, fmt.Errorf("%s is no master key: it must be 64 hexadecimal digits", path)
	}
	return key, nil
}

// next returns the new key: that of an interrupted change, or a random one. A key that Midas cannot replace must
// have been replaced by the operator before.
func (m masterFile) next(ctx context.Context) (key seal.MasterKey, err error) {
	if m.to == nextSuffix {
		return m.cfg.MasterKey.read(ctx)
	}
	key, err = readMaster(m.to)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = datadir.NewMaster(); err != nil {
		return key, err
	}
	if err := atomicfile.Create(m.to, datadir.EncodeMaster(key), 0o600); err != nil {
		return key, fmt.Errorf("the new master key cannot be written beside the old one; name a file with --to: %w", err)
	}
	return key, nil
}

// commit makes the new key the current one.
func (m masterFile) commit() error {
	if m.path == "" {
		return nil
	}
	key, err := readMaster(m.to)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(m.path, datadir.EncodeMaster(key), 0o600); err != nil {
		return err
	}
	if m.to != m.path+nextSuffix {
		return nil // the operator has chosen this file
	}
	if err := os.Remove(m.to); err != nil {
		return fmt.Errorf("remove the file whose key is in %s now: %w", m.path, err)
	}
	return nil
}
