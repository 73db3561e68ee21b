package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"midas/internal/store"
)

// Options are what a restore does besides writing the records.
type Options struct {
	// EndTokens leaves out the signing keys and everything that was issued for later use: see ended. All tokens of
	// before the restore are refused then; the records of hosts stay.
	EndTokens bool

	Now      time.Time
	Progress Progress // of the check and of the writing
}

// content is what the check of a file has found.
type content struct {
	Summary
	format []byte         // the value of the record of the format, or nil
	base   store.Revision // of an earlier restore
}

// Verified is a file that was read as a whole, and which this Midas can restore.
type Verified struct {
	file  io.ReadSeeker
	found content
}

// Summary returns what is known about the backup.
func (v *Verified) Summary() Summary { return v.found.Summary }

// Verify reads a whole file and checks each record. It returns an ErrFormat, store.ErrUnknownKind or
// store.ErrNewerVersion for a file that cannot be restored.
func Verify(ctx context.Context, file io.ReadSeeker, progress Progress) (*Verified, error) {
	found, err := check(ctx, file, progress)
	return &Verified{file, found}, err
}

// Restore writes the backup into an empty store. Until its end no server starts on the store; after an interruption,
// Restore with the same file and options goes on, and Restore with another file begins anew.
func (v *Verified) Restore(ctx context.Context, s store.Store, o Options) error {
	id := fmt.Sprintf("%s ended=%t", hex.EncodeToString(v.found.Sum[:]), o.EndTokens)
	run, err := store.BeginRestore(ctx, s, id, o.Now)
	if err != nil {
		return fmt.Errorf("begin the restore: %w", err)
	}
	again, err := write(ctx, run, v.file, o)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if again.Sum != v.found.Sum {
		return errors.New("restore: the file has changed in the meantime; restore again")
	}
	done := store.Restored{
		At: o.Now.UTC(), Backup: v.found.Created, TokensEnded: o.EndTokens,
		Base: max(store.Revision(max(o.Now.UnixMicro(), 0)), v.found.base+v.found.Newest+1), // microseconds pass faster than revisions
	}
	if err := run.Finish(ctx, v.found.format, done); err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	return nil
}

// Restore verifies a file and writes it into an empty store.
func Restore(ctx context.Context, s store.Store, file io.ReadSeeker, o Options) (Summary, error) {
	v, err := Verify(ctx, file, o.Progress)
	if err == nil {
		err = v.Restore(ctx, s, o)
	}
	return v.Summary(), err
}

// check reads a whole file.
func check(ctx context.Context, file io.Reader, progress Progress) (found content, err error) {
	kinds := store.NewLookup()
	found.Summary, err = each(ctx, file, progress, func(e Entry) error {
		if err := found.add(kinds, e); err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return nil
	})
	return found, err
}

// add checks one entry.
func (found *content) add(kinds *store.Lookup, e Entry) error {
	if e.Delete {
		if store.IsFormat(e.Key) {
			found.format = nil
		}
		return nil
	}
	rec := store.Record{Key: e.Key, Value: e.Value}
	kind, err := kinds.Check(rec)
	switch {
	case err != nil:
		return err
	case kind == store.RestoringKind:
		return errors.New("it has the record of an unfinished restore")
	case store.IsFormat(rec.Key):
		found.format = rec.Value
		return store.CheckFormat(rec)
	case kind == store.RestoredKind:
		earlier, err := store.DecodeRestored(rec)
		found.base = earlier.Base
		return err
	}
	return nil
}

// each calls do with all entries of a file.
func each(ctx context.Context, file io.Reader, progress Progress, do func(Entry) error) (Summary, error) {
	r, err := NewReader(file)
	if err != nil {
		return Summary{}, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			progress.end(r.Summary)
			return r.Summary, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = do(e)
		}
		if err != nil {
			return r.Summary, err
		}
		progress.after(r.Summary)
	}
}

// write writes all records of a file.
func write(ctx context.Context, run *store.Restore, file io.ReadSeeker, o Options) (Summary, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Summary{}, fmt.Errorf("read the backup again: %w", err)
	}
	kinds := store.NewLookup()
	to := newBatches(ctx, run.Put)
	read, err := each(ctx, file, o.Progress, func(e Entry) error {
		if !run.Written(e.Key) || left(kinds, e.Key, o.EndTokens) {
			return nil
		}
		return to.add(e)
	})
	if failed := to.end(); failed != nil {
		err = failed // the cause; what each has returned may be the end of its context
	}
	return read, err
}
