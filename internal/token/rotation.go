package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/clock"
	"midas/internal/store"
)

const (
	// maintainEvery is how often Run checks the age of the keys, which reads memory only. It is a fixed short
	// interval, because a laboratory's clock can be moved past the next deadline.
	maintainEvery = 30 * time.Second

	// retryAfter is the pause after a failure of the store. It is short, because the change of a key holds at every
	// replica within a second.
	retryAfter = 200 * time.Millisecond

	// compareEvery is how often Follow compares the keys with the store, besides the change feed.
	compareEvery = 500 * time.Millisecond
)

// edit is one change of the ring.
type edit struct {
	add      bool      // create a key
	signFrom time.Time // when the created key begins to sign
	remove   []string  // ids of keys to delete
}

// Rotate creates a new key and returns its id. The key is published at once and signs after PublishBefore,
// because relying parties that cache the key set, and replicas that have not read it, would refuse its
// tokens earlier. To stop the use of a leaked key at once, call Withdraw.
func (k *Keys) Rotate(ctx context.Context) (kid string, err error) {
	kid, err = k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		return edit{add: true, signFrom: now.Add(k.cfg.PublishBefore), remove: k.removable(now, r)}, nil
	})
	if err != nil {
		return "", fmt.Errorf("rotate signing keys: %w", err)
	}
	return kid, nil
}

// Withdraw deletes a key at once, so that every token that it has signed is refused from now on. If it is
// the current key, a new one is created and signs at once. It returns store.ErrNotFound if there is no such
// key.
func (k *Keys) Withdraw(ctx context.Context, kid string) error {
	_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		if _, ok := r.byKID[kid]; !ok {
			return edit{}, store.ErrNotFound
		}
		// An older key cannot sign again, because its tokens would outlive its time in the key set.
		// The new key signs at once by all clocks, but not before the time of the withdrawn one, which decides how
		// long the key before that is published.
		signer := r.signer(k.earliest(now))
		e := edit{remove: []string{kid}, signFrom: k.earliest(now)}
		if e.signFrom.Before(signer.signFrom) {
			e.signFrom = signer.signFrom
		}
		e.add = signer.kid == kid
		return e, nil
	})
	if err != nil {
		return fmt.Errorf("withdraw signing key %s: %w", kid, err)
	}
	return nil
}

// Run is Follow and Maintain together, for a process that alone uses the store.
func (k *Keys) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.Follow(ctx) })
	g.Go(func() error { return k.Maintain(ctx) })
	return g.Wait()
}

// Follow reads the changes of the keys by other replicas, until ctx ends; then it returns nil. Every replica runs it. It
// logs failures of the store and tries again; only a closed store ends it early.
func (k *Keys) Follow(ctx context.Context) error {
	<-k.made
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.follow(ctx) })
	if k.cfg.Shared {
		g.Go(func() error { return k.compare(ctx) })
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow signing keys: %w", err)
	}
	return nil
}

// Maintain rotates keys by age and removes the rows of old keys, until ctx ends; then it returns nil. One replica at a
// time runs it; two at once do no harm. It logs failures of the store and tries again; only a closed store ends it
// early.
func (k *Keys) Maintain(ctx context.Context) error {
	if err := k.maintain(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("keep signing keys: %w", err)
	}
	return nil
}

// compare reads the keys again if they are not those of the store, which happens if the change feed is late.
func (k *Keys) compare(ctx context.Context) error {
	for {
		if err := pause(ctx, compareEvery); err != nil {
			return err
		}
		if err := k.Refresh(ctx); errors.Is(err, store.ErrClosed) {
			return err
		} else if err != nil && ctx.Err() == nil {
			k.cfg.Log.DebugContext(ctx, "signing keys: comparing them with the store failed, trying again", "cause", err)
		}
	}
}

// follow reloads the ring after each change of its rows.
func (k *Keys) follow(ctx context.Context) error {
	for {
		err := k.followOnce(ctx)
		if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return err
		}
		if err != nil && !errors.Is(err, store.ErrCompacted) {
			k.cfg.Log.WarnContext(ctx, "signing keys: following the store failed, trying again", "cause", err)
		}
		if err := pause(ctx, retryAfter); err != nil {
			return err
		}
		if err := k.reload(ctx); err != nil {
			k.cfg.Log.WarnContext(ctx, "signing keys: reading them failed, trying again", "cause", err)
		}
	}
}

func (k *Keys) followOnce(ctx context.Context) error {
	for change, err := range k.cfg.Store.Watch(ctx, rowPrefix, k.ring.Load().revision) {
		if err != nil {
			return err
		}
		if change.Revision <= k.ring.Load().revision {
			continue // this commit was read already, or it is this process's own
		}
		if err := k.reload(ctx); err != nil {
			return err
		}
	}
	return nil
}

// maintain rotates and removes keys by age.
func (k *Keys) maintain(ctx context.Context) (closed error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	turn := func(ctx context.Context) {
		if err := k.maintainOnce(ctx); errors.Is(err, store.ErrClosed) {
			closed = err
			end()
		} else if err != nil && ctx.Err() == nil {
			k.cfg.Log.WarnContext(ctx, "signing keys: rotating by age failed, trying again", "cause", err)
		}
	}
	turn(ctx)
	clock.Every(ctx, maintainEvery, turn)
	return closed
}

// maintainOnce publishes the next key if it is time, and removes the keys whose tokens have expired.
func (k *Keys) maintainOnce(ctx context.Context) error {
	if !k.due(k.cfg.Now(), k.ring.Load()) {
		return nil
	}
	_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		e := edit{remove: k.removable(now, r)}
		if k.aged(now, r) {
			e.add, e.signFrom = true, now.Add(k.cfg.PublishBefore)
		}
		return e, nil
	})
	return err
}

// End returns when the newest key ends to sign by age. Its successor is published before, and then End is that of the
// successor; so a time in the past means that keys are not rotated. It is zero if keys are not rotated by age.
func (k *Keys) End() time.Time {
	r := k.ring.Load()
	if k.cfg.RotateEvery == 0 || len(r.keys) == 0 {
		return time.Time{}
	}
	return r.keys[len(r.keys)-1].signFrom.Add(k.cfg.RotateEvery)
}

// Len returns the number of keys.
func (k *Keys) Len() int { return len(k.ring.Load().keys) }

func (k *Keys) due(now time.Time, r *ring) bool {
	return k.aged(now, r) || len(k.removable(now, r)) > 0
}

// aged reports whether it is time to publish the successor of the newest key. It is false while Retention
// reports that the clock may be wrong, because a clock that is ahead would create keys for future years.
func (k *Keys) aged(now time.Time, r *ring) bool {
	if k.cfg.RotateEvery == 0 || len(r.keys) == 0 || !k.cfg.Retention.Allows(now) {
		return false
	}
	newest := r.newest(now.Add(k.cfg.PublishBefore + strayAfter))
	return newest == nil || !now.Before(newest.signFrom.Add(k.cfg.RotateEvery-k.cfg.PublishBefore))
}

// strayAfter is how far beyond PublishBefore the signFrom of a key must be to show that a clock that was
// ahead has created it.
const strayAfter = 24 * time.Hour

// removable are the ids of the keys that can be deleted: those whose tokens have all expired, and those
// that a clock that was ahead has created for a far future time. One of the latter may sign if there was no
// other key; then it stays until its tokens have expired.
func (k *Keys) removable(now time.Time, r *ring) []string {
	if !k.cfg.Retention.Allows(now) {
		return nil
	}
	kids := r.withdrawn(now)
	signer := r.signer(now)
	if signer == nil || now.Before(signer.signFrom.Add(k.cfg.MaxTokenLifetime+clock.Skew)) {
		return kids
	}
	for _, key := range r.keys {
		if key.signFrom.After(now.Add(k.cfg.PublishBefore + strayAfter)) {
			kids = append(kids, key.kid)
		}
	}
	return kids
}

// change is the only writer of the rows. decide gets the ring of the transaction and may be called several
// times. change returns the id of the key that was added, if any.
func (k *Keys) change(ctx context.Context, decide func(time.Time, *ring) (edit, error)) (kid string, err error) {
	var fresh *signingKey
	for {
		want, missing := edit{}, false
		_, err := k.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
			want, missing, err = k.apply(tx, fresh, decide)
			return err
		})
		if err != nil {
			return "", err
		}
		if !missing {
			if err := k.reload(ctx); err != nil {
				return "", err
			}
			if !want.add {
				return "", nil
			}
			return fresh.kid, nil
		}
		// The transaction needs a key and wrote nothing. Generating one takes long, so it happens outside
		// of the transaction, which then runs again.
		if fresh, err = generate(k.cfg.Now(), want.signFrom); err != nil {
			return "", err
		}
	}
}

// apply writes the edit of decide. If the edit adds a key and fresh is nil, it writes nothing and reports
// missing.
func (k *Keys) apply(tx store.Tx, fresh *signingKey, decide func(time.Time, *ring) (edit, error)) (want edit, missing bool, err error) {
	if _, err := head.Get(tx, headKey); err != nil && !errors.Is(err, store.ErrNotFound) {
		return edit{}, false, err
	}
	r, err := k.read(tx)
	if err != nil {
		return edit{}, false, err
	}
	now := k.cfg.Now().UTC()
	if want, err = decide(now, r); err != nil {
		return edit{}, false, err
	}
	if !want.add && len(want.remove) == 0 {
		return want, false, nil
	}
	if want.add {
		if left := len(r.keys) - len(want.remove); left >= maxKeys {
			return edit{}, false, fmt.Errorf("there are already %d keys whose tokens have not expired", left)
		}
		if fresh == nil {
			return want, true, nil
		}
		fresh.created, fresh.signFrom = now, want.signFrom
		row, err := fresh.seal(k.cfg.Master)
		if err != nil {
			return edit{}, false, err
		}
		if err := rows.Put(tx, rowPrefix+fresh.kid, row); err != nil {
			return edit{}, false, err
		}
	}
	for _, kid := range slices.Compact(want.remove) {
		tx.Delete(rowPrefix + kid)
	}
	return want, false, head.Put(tx, headKey, headRow{Changed: now})
}

// pause waits for d, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
