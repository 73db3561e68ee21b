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
	// tendEvery is how often Run looks at the clock. Looking reads memory only. It is a short
	// interval and not the time until the next deadline, because a laboratory's clock can be moved.
	tendEvery = 30 * time.Second

	// retryAfter is the pause after a failure of the store.
	retryAfter = 5 * time.Second
)

// edit is one change of the ring.
type edit struct {
	add      bool      // a new key,
	signFrom time.Time // which begins to sign here
	remove   []string  // names of keys to forget
}

// Rotate makes a new key and gives its name. The key is published at once and signs PublishBefore
// from now, also when an operator asks: relying parties that keep the key set would refuse its
// tokens any sooner, and so would replicas that have not heard of it. Whoever must get rid of a key
// at once, because it has leaked, calls Withdraw and accepts that.
func (k *Keys) Rotate(ctx context.Context) (kid string, err error) {
	kid, err = k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		return edit{add: true, signFrom: now.Add(k.cfg.PublishBefore), remove: k.removable(now, r)}, nil
	})
	if err != nil {
		return "", fmt.Errorf("rotate signing keys: %w", err)
	}
	return kid, nil
}

// Withdraw forgets a key at once, so that every token which it has signed is refused from now on.
// When no other key could sign in its place, a new one is made and signs at once. It gives
// store.ErrNotFound when there is no such key.
func (k *Keys) Withdraw(ctx context.Context, kid string) error {
	_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		if _, ok := r.byKID[kid]; !ok {
			return edit{}, store.ErrNotFound
		}
		// Going back to an older key would make it sign tokens that outlive its time in the key set.
		e := edit{remove: []string{kid}, signFrom: now}
		e.add = r.signer(now).kid == kid
		return e, nil
	})
	if err != nil {
		return fmt.Errorf("withdraw signing key %s: %w", kid, err)
	}
	return nil
}

// Run rotates keys by age, removes the rows of keys that are over, and follows what other replicas
// do, until ctx ends; then it gives nil. Failures of the store are logged and tried again; only a
// closed store ends it early.
func (k *Keys) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.follow(ctx) })
	g.Go(func() error { return k.tend(ctx) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("keep signing keys: %w", err)
	}
	return nil
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
			continue // one commit is several changes, and our own are known already
		}
		if err := k.reload(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tend does what the clock asks for.
func (k *Keys) tend(ctx context.Context) error {
	for {
		if now := k.cfg.Now(); k.due(now, k.ring.Load()) {
			_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
				e := edit{remove: k.removable(now, r)}
				if k.aged(now, r) {
					e.add, e.signFrom = true, now.Add(k.cfg.PublishBefore)
				}
				return e, nil
			})
			if errors.Is(err, store.ErrClosed) {
				return err
			}
			if err != nil && ctx.Err() == nil {
				k.cfg.Log.WarnContext(ctx, "signing keys: rotating by age failed, trying again", "cause", err)
			}
		}
		if err := pause(ctx, tendEvery); err != nil {
			return err
		}
	}
}

func (k *Keys) due(now time.Time, r *ring) bool {
	return k.aged(now, r) || len(k.removable(now, r)) > 0
}

// aged reports whether it is time to publish the successor of the newest key. A clock that is not believed
// makes no keys: one that is ahead would make them for years to come.
func (k *Keys) aged(now time.Time, r *ring) bool {
	if k.cfg.RotateEvery == 0 || len(r.keys) == 0 || !k.cfg.Retention.Allows(now) {
		return false
	}
	newest := r.newest(now.Add(k.cfg.PublishBefore + strayAfter))
	return newest == nil || !now.Before(newest.signFrom.Add(k.cfg.RotateEvery-k.cfg.PublishBefore))
}

// strayAfter is by how much later than it could have been planned a key begins that was made by a clock
// that was ahead.
const strayAfter = 24 * time.Hour

// removable are the names of the keys whose rows are of no use any more: those of which no token can be
// good, and those that a clock which was ahead has planned for a time far away. One of the latter may sign
// where there was no other; then it stays until its tokens have expired.
func (k *Keys) removable(now time.Time, r *ring) []string {
	if !k.cfg.Retention.Allows(now) {
		return nil
	}
	kids := r.withdrawn(now)
	signer := r.signer(now)
	if signer == nil || now.Before(signer.signFrom.Add(k.cfg.MaxTokenLife+clock.Skew)) {
		return kids
	}
	for _, key := range r.keys {
		if key.signFrom.After(now.Add(k.cfg.PublishBefore + strayAfter)) {
			kids = append(kids, key.kid)
		}
	}
	return kids
}

// change is the only writer of the ring. decide sees the ring as it is in the transaction; it may be
// called several times. change gives the name of the key that was added, if one was.
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
		// The transaction wants a key and wrote nothing. Making one takes long, so it is made out
		// here, and the transaction decides anew.
		if fresh, err = generate(k.cfg.Now(), want.signFrom); err != nil {
			return "", err
		}
	}
}

// apply writes what decide wants. It writes nothing and reports missing when that takes a fresh key
// and there is none.
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
			return edit{}, false, fmt.Errorf("there are %d keys already whose tokens have not expired", left)
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

// pause waits, or gives the reason why it could not.
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
