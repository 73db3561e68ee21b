package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/store"
)

const (
	// RenewEvery is how often the holder renews a lease.
	RenewEvery = 3 * time.Second

	// TakeAfter is for how long the record of a lease must not have changed before another replica takes the lease.
	TakeAfter = 10 * time.Second

	// lookEvery is how often a replica that does not hold the lease reads its record.
	lookEvery = time.Second
)

// ErrLost is the error of a transaction of work whose lease another replica has taken.
var ErrLost = errors.New("another replica has taken over this work")

// Lease is a job that one replica at a time does. Its fields are set before Run is called; all but Alone are
// required, and only Log if Alone is set.
type Lease struct {
	Store store.Store
	Name  string // of the job, a part of the record's key
	ID    string // of this replica; never used again
	Log   *slog.Logger

	// Alone is set if no other process writes the store. Then Run only calls its function, and writes nothing.
	Alone bool

	term atomic.Uint64 // in which this replica holds the lease; 0 if it does not
}

// Held reports whether this replica believes to hold the lease. It is for metrics and status: what depends on the
// lease is decided by the guard in its transactions.
func (l *Lease) Held() bool { return l.Alone || l.term.Load() != 0 }

// Run calls work whenever this replica gets the lease, until ctx ends. The context of work ends when the lease is lost
// or could not be renewed for TakeAfter. Every Update under this context is guarded by the lease's record, and
// returns ErrLost if another replica has the lease. If work returns before its context ends, Run gives the lease
// up and returns the error of work.
func (l *Lease) Run(ctx context.Context, work func(context.Context) error) error {
	if l.Alone {
		return work(ctx)
	}
	var seen observation
	for ctx.Err() == nil {
		term, err := l.take(ctx, &seen)
		if err != nil && ctx.Err() == nil {
			if errors.Is(err, store.ErrClosed) {
				return err
			}
			l.Log.DebugContext(ctx, "the lease of the background work could not be read, trying again", "cause", err)
		}
		if term == 0 {
			pause(ctx, lookEvery)
			continue
		}
		if lost, err := l.hold(ctx, term, work); !lost {
			return err
		}
	}
	return nil
}

// observation is the newest revision of a record that this process has read, and when it first did, by the
// monotonic clock of this process. looked is the last time that it read the record.
type observation struct {
	revision      store.Revision
	since, looked time.Time
}

// unchangedFor returns how long the record has had a revision. A process that was paused has not watched the record
// meanwhile, so a gap between two reads does not count.
func (o *observation) unchangedFor(rev store.Revision, now time.Time) time.Duration {
	if o.since.IsZero() || o.revision != rev || now.Sub(o.looked) > TakeAfter/2 {
		o.revision, o.since = rev, now
	}
	o.looked = now
	return now.Sub(o.since)
}

// take takes the lease if it is free, or if its record has not changed for TakeAfter. It returns the new term, or 0.
func (l *Lease) take(ctx context.Context, seen *observation) (term uint64, err error) {
	_, err = l.Store.Update(ctx, func(tx store.Tx) error {
		term = 0
		now := time.Now()
		kept, err := tx.Get(leaseKey(l.Name))
		if errors.Is(err, store.ErrNotFound) {
			term = 1
			return leases.Put(tx, leaseKey(l.Name), lease{Holder: l.ID, Term: term})
		}
		if err != nil {
			return err
		}
		was, err := leases.Decode(kept)
		if err != nil {
			return err
		}
		if was.Holder != "" && seen.unchangedFor(kept.Revision, now) < TakeAfter {
			return nil
		}
		term = was.Term + 1
		return leases.Put(tx, leaseKey(l.Name), lease{Holder: l.ID, Term: term})
	})
	if err != nil {
		return 0, fmt.Errorf("take the lease of %s: %w", l.Name, err)
	}
	return term, nil
}

// hold does the work while this replica has the lease, and reports whether it has lost the lease.
func (l *Lease) hold(ctx context.Context, term uint64, work func(context.Context) error) (lost bool, err error) {
	l.term.Store(term)
	defer l.term.Store(0)
	l.Log.InfoContext(ctx, "this replica does the background work now", "job", l.Name, "term", term)
	held, end := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		defer end()
		l.renew(held, term)
	})
	err = work(store.Guarded(held, func(tx store.Tx) error { return l.check(tx, term) }))
	lost = held.Err() != nil && ctx.Err() == nil
	end()
	renewing.Wait()
	if lost {
		l.Log.InfoContext(ctx, "this replica does the background work no more", "job", l.Name, "term", term)
		return true, nil
	}
	l.giveUp(ctx, term)
	return false, err
}

// check returns ErrLost if the term is over. It is the guard of every transaction of the work.
func (l *Lease) check(tx store.Tx, term uint64) error {
	is, err := leases.Get(tx, leaseKey(l.Name))
	if errors.Is(err, store.ErrNotFound) || err == nil && (is.Term != term || is.Holder != l.ID) {
		return ErrLost
	}
	return err
}

// renew renews the lease until ctx ends, another replica has taken it, or no renewal has succeeded for TakeAfter. In
// the last case others may take it; what this replica does until it notices is refused by check.
func (l *Lease) renew(ctx context.Context, term uint64) {
	last := time.Now()
	for {
		pause(ctx, RenewEvery)
		if ctx.Err() != nil {
			return
		}
		limited, cancel := context.WithTimeout(ctx, RenewEvery)
		_, err := l.Store.Update(limited, func(tx store.Tx) error {
			if err := l.check(tx, term); err != nil {
				return err
			}
			is, err := leases.Get(tx, leaseKey(l.Name))
			if err != nil {
				return err
			}
			is.Renewal++
			return leases.Put(tx, leaseKey(l.Name), is)
		})
		cancel()
		switch {
		case err == nil:
			last = time.Now()
		case errors.Is(err, ErrLost), errors.Is(err, store.ErrClosed), time.Since(last) >= TakeAfter:
			return
		}
	}
}

// giveUp lets another replica take the lease at once. If it fails, others take it after TakeAfter.
func (l *Lease) giveUp(ctx context.Context, term uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookEvery)
	defer cancel()
	_, err := l.Store.Update(ctx, func(tx store.Tx) error {
		if err := l.check(tx, term); err != nil {
			return err
		}
		return leases.Put(tx, leaseKey(l.Name), lease{Term: term})
	})
	if err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, store.ErrClosed) {
		l.Log.DebugContext(ctx, "the lease of the background work was not given up", "cause", err)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
