package midas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"midas/internal/atomicfile"
	"midas/internal/backup"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/installation"
	"midas/internal/seal"
)

var errNoFileName = errors.New("the name of the file is empty")

// BackupSummary is what is known about a backup.
type BackupSummary = backup.Summary

// Backup writes the content of a store at one moment into a file, which appears when it is complete and replaces an
// earlier file of the name. Only its owner may read it. While a server runs on the data folder, Backup asks that
// server; otherwise it opens the store. progress is called from time to time; it may be nil.
func Backup(ctx context.Context, cfg Config, path string, progress func(BackupSummary)) (done BackupSummary, err error) {
	if path, err = backupTarget(path); err != nil {
		return done, err
	}
	err = command(ctx, cfg, func(c control.Commands) error {
		return atomicfile.Stream(path, 0o600, func(file io.Writer) error {
			from, to := io.Pipe()
			written := make(chan struct{})
			go func() {
				defer close(written)
				to.CloseWithError(c.Backup(ctx, to))
			}()
			done, err = backup.Copy(file, from, progress)
			from.CloseWithError(err)
			<-written
			return err
		})
	})
	return done, err
}

// backupTarget returns the path of the regular file that a backup replaces or creates. A symbolic link stays, and what it
// names is replaced: to rename a file over the link would remove links such as /dev/stdout from the machine.
func backupTarget(path string) (string, error) {
	if path == "" {
		return "", errNoFileName
	}
	if link, err := os.Lstat(path); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return "", fmt.Errorf("follow the link %s: %w", path, err)
		}
		path = target
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	return path, nil
}

// writeBackup writes a backup of a store. An engine whose data end with the process has a master key that ends too.
func writeBackup(ctx context.Context, cfg Config, dir *datadir.Dir, st *opened, w io.Writer) error {
	if st.kind.volatile {
		return fmt.Errorf("the store %s ends with its server, and so does the master key that a backup of it would need", st.kind.scheme)
	}
	master, err := cfg.master(ctx)
	if err != nil {
		return err
	}
	fingerprint, err := master.Fingerprint()
	if err != nil {
		return err
	}
	if err := opens(ctx, cfg, st, master); err != nil {
		return err
	}
	if err := backup.Write(ctx, st, st.shared(), backup.Header{Program: Version(), Created: time.Now().UTC(), MasterKey: fingerprint}, w); err != nil {
		return err
	}
	return opens(ctx, cfg, st, master)
}

// opens returns an error unless the master key of a backup opens the store. It is called before and after the backup:
// a key that opens the store both times opens the revision of the backup too, because a change of the master key first
// adds the new key and later removes the old one.
func opens(ctx context.Context, cfg Config, st *opened, master seal.MasterKey) error {
	if _, err := installation.Check(ctx, cfg.installation(st, master, "")); err != nil {
		return fmt.Errorf("the master key of this process does not open the store, so the backup would not say which one it needs; if the key is being changed, begin again: %w", err)
	}
	return nil
}

func (o online) Backup(ctx context.Context, w io.Writer) error {
	if err := o.resources.RemoveSecrets(ctx, o.compute.AdoptUserData); err != nil {
		return err
	}
	err := writeBackup(ctx, o.cfg, o.dir, o.store, w)
	if err == nil {
		o.lastBackup.Store(o.now().Unix())
	}
	return err
}

func (o online) Check(ctx context.Context, w io.Writer) error {
	return writeFindings(ctx, o.dir, o.store, w)
}

// Backup writes a backup. It first removes the secrets that an older Midas has stored.
func (o *offline) Backup(ctx context.Context, w io.Writer) error {
	if err := o.store.claim(ctx, o.cfg.Store); err != nil {
		return err
	}
	if err := o.removeSecrets(ctx); err != nil {
		return err
	}
	return writeBackup(ctx, o.cfg, o.dir, o.store, w)
}

func (o *offline) Check(ctx context.Context, w io.Writer) error {
	return writeFindings(ctx, o.dir, o.store, w)
}
