package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

// The sweep only frees space: expired records are refused even if they still exist. A page is small because
// a host takes up to three operations of a transaction.
const (
	sweepEvery = time.Hour
	sweepPage  = (store.MaxOperations - 1) / 3 // the guard of the job is one more
)

// RunSweep calls Sweep every hour until ctx ends. One replica at a time runs it; two at once do no harm.
func (f *Fleet) RunSweep(ctx context.Context) error {
	clock.Every(ctx, sweepEvery, func(ctx context.Context) {
		if err := f.Sweep(ctx); err != nil && ctx.Err() == nil {
			f.Logger.WarnContext(ctx, "hosts: deleting expired records failed, retrying in an hour", "cause", err)
		}
	})
	return nil
}

// Sweep removes the records of enrollment tokens and hosts that have expired, in small transactions.
func (f *Fleet) Sweep(ctx context.Context) error {
	for _, kind := range []struct {
		prefix string
		ended  func(store.Tx, store.Record) (bool, error)
	}{{store.EnrollmentTokenKind.Keys, f.enrollmentTokenExpired}, {store.HostKind.Keys, f.hostEnded}} {
		for after := ""; ; {
			next, err := f.sweepPage(ctx, store.Range{Prefix: kind.prefix, After: after, Limit: sweepPage}, kind.ended)
			if err != nil {
				return err
			}
			if after = next; after == "" {
				break
			}
		}
	}
	return nil
}

// sweepPage deletes the expired records of one page. next is where the next page begins.
func (f *Fleet) sweepPage(ctx context.Context, page store.Range, ended func(store.Tx, store.Record) (bool, error)) (next string, err error) {
	var gone []string
	err = f.Store.View(ctx, func(tx store.Tx) error {
		gone, next = nil, ""
		seen := 0
		for kept, err := range tx.Scan(page) {
			if err != nil {
				return fmt.Errorf("find expired records: %w", err)
			}
			over, err := ended(tx, kept)
			if err != nil {
				return err
			}
			if over {
				gone = append(gone, kept.Key)
			}
			if seen++; seen == page.Limit {
				next = kept.Key
			}
		}
		return nil
	})
	if err != nil || len(gone) == 0 {
		return next, err
	}
	_, err = f.Store.Update(ctx, func(tx store.Tx) error {
		for _, key := range gone {
			kept, err := tx.Get(key)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if over, err := ended(tx, kept); err != nil {
				return err
			} else if over { // it may have been renewed meanwhile
				tx.Delete(key)
			}
		}
		return nil
	})
	return next, err
}

// ended reports whether a record that expires at end may be deleted now.
func (f *Fleet) ended(end time.Time) bool {
	now := f.Now()
	return !now.Before(end) && f.Retention.Allows(now)
}

func (f *Fleet) enrollmentTokenExpired(_ store.Tx, kept store.Record) (bool, error) {
	stored, err := enrollmentTokens.Decode(kept)
	return err == nil && f.ended(stored.until()), err
}

func (f *Fleet) hostEnded(tx store.Tx, kept store.Record) (bool, error) {
	h, err := hosts.Decode(kept)
	if err != nil {
		return false, err
	}
	if f.ended(h.Ends) {
		return true, nil
	}
	alive, err := f.alive(tx, h)
	return !alive, err
}
