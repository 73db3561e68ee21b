package midas

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"midas/internal/backup"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/store"
)

// RestoreTokens says what a restore does with what was issued before it.
type RestoreTokens string

const (
	// KeepTokens lets tokens, sign-ins and enrollment tokens go on as they were when the backup was made.
	KeepTokens RestoreTokens = "keep"

	// EndTokens removes signing keys, sign-ins and enrollment tokens: whoever has a token needs a new one.
	EndTokens RestoreTokens = "end"
)

// freshBackup is the age up to which Restore keeps tokens without being told to. What is revoked after a backup is
// valid again after its restore, so for an older backup somebody must decide.
const freshBackup = 15 * time.Minute

// RestoreOptions are the options of Restore.
type RestoreOptions struct {
	// Tokens may be empty for a backup that is at most 15 minutes old; then they are kept.
	Tokens RestoreTokens

	Progress func(BackupSummary) // called from time to time while the file is checked and while it is written; may be nil
}

// RestoreDone is what Restore has done.
type RestoreDone struct {
	BackupSummary
	MasterFile  string // where the master key belongs
	MasterFound bool   // it is there
}

// Restore writes a backup into an empty store, of any engine. It reads and checks the whole file before it writes
// anything. No server starts on a store whose restore has not ended; Restore with the same file then goes on. It uses
// Data, Store, MasterKey and Cluster of cfg, and Listen for the address of the member that Cluster.Init makes.
func Restore(ctx context.Context, cfg Config, path string, o RestoreOptions) (done RestoreDone, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(engines()); err != nil {
		return done, fmt.Errorf("configuration: %w", err)
	}
	if kind, _, _ := findEngine(cfg.Store, engines()); kind.volatile { // cfg.check has returned its error
		return done, fmt.Errorf("the store %s ends with its server, so nothing can be restored into it", cfg.Store)
	}
	if path == "" {
		return done, errNoFileName
	}
	// A FIFO would be waited for, beyond the end of ctx, and a device or a pipe cannot be read twice.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return done, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return done, err
	}
	defer file.Close()
	if _, err := control.Dial(ctx, datadir.Socket(cfg.Data)); err == nil {
		return done, errors.New("a server is running on this data folder: stop it, or restore into another folder with --data")
	}
	r := restorer{cfg: cfg, options: o}
	if err := r.verify(ctx, file); err != nil { // before a folder is made for it
		return r.done, err
	}
	prepare := func(dir *datadir.Dir) error {
		if !cfg.Cluster.Init {
			return nil
		}
		_, err := prepareCluster(ctx, cfg, dir)
		return err
	}
	err = cfg.withPrepared(ctx, prepare, func(_ *datadir.Dir, st *opened) error { return r.write(ctx, st) })
	return r.done, err
}

// restorer restores one backup.
type restorer struct {
	cfg     Config
	options RestoreOptions
	backup  *backup.Verified
	done    RestoreDone
}

// verify checks the whole file, the master key and the age of the backup. It writes nothing.
func (r *restorer) verify(ctx context.Context, file *os.File) (err error) {
	if r.cfg.Cluster.Join != "" {
		return errors.New("a machine that joins a cluster gets its store from there: restore into the first machine of a new cluster, with --cluster-init")
	}
	r.backup, err = backup.Verify(ctx, file, r.options.Progress)
	r.done.BackupSummary = r.backup.Summary()
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	r.done.MasterFile = r.cfg.masterName()
	if r.done.MasterFound, err = r.cfg.checkMaster(ctx, r.done.Header); err == nil {
		err = checkAge(r.done.Header, time.Now(), r.options.Tokens)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	return nil
}

// write writes the backup into an open store.
func (r *restorer) write(ctx context.Context, st *opened) error {
	err := r.backup.Restore(ctx, st, backup.Options{
		EndTokens: r.options.Tokens == EndTokens, Now: time.Now(), Progress: r.options.Progress,
	})
	if errors.Is(err, store.ErrNotEmpty) {
		return fmt.Errorf("%w; a backup is restored into a new store only, so name another one with --store or --data", err)
	}
	return err
}

// checkMaster compares the master key of the configuration with that of a backup. That there is none yet is no error.
func (c Config) checkMaster(ctx context.Context, h backup.Header) (found bool, err error) {
	key, err := c.master(ctx)
	if errors.Is(err, datadir.ErrNoMaster) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fingerprint, err := key.Fingerprint()
	if err != nil {
		return false, err
	}
	if fingerprint != h.MasterKey {
		return false, fmt.Errorf("%s is the master key %s, and the backup was made with the master key %s: put that one there first", c.masterName(), fingerprint, h.MasterKey)
	}
	return true, nil
}

// checkAge refuses an older backup without a decision about tokens.
func checkAge(h backup.Header, now time.Time, tokens RestoreTokens) error {
	age := now.Sub(h.Created)
	if tokens != "" || age.Abs() <= freshBackup {
		return nil
	}
	if age < 0 {
		return fmt.Errorf("the backup was made at %s, which is later than now: one of two clocks is wrong, so nobody knows how old it is; decide with --tokens end (all tokens, sign-ins and signing keys of before end) or with --tokens keep (nothing was revoked since then, or you revoke it again)", h.Created.Format(time.RFC3339))
	}
	return fmt.Errorf("the backup is %s old, and what was revoked, withdrawn or removed since then would be valid again: decide with --tokens end (all tokens, sign-ins and signing keys of before end) or with --tokens keep (nothing was revoked, or you revoke it again)", age.Round(time.Minute))
}
