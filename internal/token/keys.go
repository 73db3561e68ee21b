package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/clock"
	"midas/internal/retention"
	"midas/internal/seal"
	"midas/internal/store"
)

const (
	// maxKeys limits the number of keys, and so the size of the public key set, however often an operator
	// calls Rotate.
	maxKeys = 8
)

var (
	// rowPrefix begins the keys of all rows.
	rowPrefix = store.KeyKind.Keys

	// headKey is the prefix with an empty key id. Every change of the keys reads and writes it, so that
	// concurrent rotations of two replicas conflict. Scans alone are not guarded.
	headKey = rowPrefix
)

// KeysConfig configures the signing keys of one installation. Store, Master, Now and MaxTokenLifetime are
// required.
type KeysConfig struct {
	Store  store.Store
	Master seal.Source // the store keys of the installation
	Now    func() time.Time
	Log    *slog.Logger // receives failures of Run; nil discards them

	// Retention decides whether keys may be created and removed by age; nil allows it always.
	Retention *retention.Guard

	// RotateEvery is how long a key signs before Run replaces it. With 0 only Rotate replaces it.
	RotateEvery time.Duration

	// PublishBefore is how long a new key is published before it signs. It should not be shorter than
	// relying parties cache the key set (the discovery document allows a day), and not shorter than the
	// delay of the change feed. With 0 a new key signs at once, for laboratories and for a single process
	// whose relying parties fetch the key set again for an unknown key.
	PublishBefore time.Duration

	// Earliest returns the time by the slowest clock of the replicas that share the store, not after now and at most
	// HeldBack before it. A key begins to sign at its time by that clock. Nil: no other replicas.
	Earliest func(now time.Time) time.Time
	HeldBack time.Duration

	// Shared is set if other processes write the store. Then Follow also compares the keys with the store twice a
	// second, because a change feed alone can be late.
	Shared bool

	// Background makes the first key of an empty store after OpenKeys has returned, for servers whose store ends with
	// them and that must be ready at once. What needs a key waits for it.
	Background bool

	// MaxTokenLifetime is the longest lifetime of a token. Mint refuses longer ones. A superseded key stays
	// published for this time.
	MaxTokenLifetime time.Duration
}

// Keys are the signing keys of one installation. It is safe for concurrent use.
type Keys struct {
	cfg  KeysConfig
	load sync.Mutex // serializes reload, so that an older ring never replaces a newer one
	ring atomic.Pointer[ring]
	made chan struct{} // closed when there is a first key, or it cannot be made
}

// OpenKeys reads the signing keys, and creates the first one in an empty store. It returns an error that
// wraps ErrMaster if the rows were sealed with another master key.
func OpenKeys(ctx context.Context, cfg KeysConfig) (*Keys, error) {
	if cfg.Store == nil || cfg.Now == nil || cfg.MaxTokenLifetime <= 0 || cfg.RotateEvery < 0 || cfg.PublishBefore < 0 {
		return nil, errors.New("open signing keys: Store, Now and MaxTokenLifetime are required, and no duration is negative")
	}
	if cfg.RotateEvery > 0 && cfg.RotateEvery <= cfg.PublishBefore {
		return nil, fmt.Errorf("open signing keys: rotating every %s leaves no time to publish a key %s before it signs", cfg.RotateEvery, cfg.PublishBefore)
	}
	if cfg.RotateEvery > 0 && 2+(cfg.PublishBefore+cfg.MaxTokenLifetime+cfg.HeldBack+clock.Skew)/cfg.RotateEvery > maxKeys {
		return nil, fmt.Errorf("open signing keys: rotating every %s would publish more than %d keys at a time, because tokens are valid for up to %s", cfg.RotateEvery, maxKeys, cfg.MaxTokenLifetime)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keys{cfg: cfg, made: make(chan struct{})}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	if len(k.ring.Load().keys) > 0 {
		close(k.made)
		return k, nil
	}
	if !cfg.Background {
		defer close(k.made)
		return k, k.makeFirst(ctx)
	}
	go func() {
		defer close(k.made)
		if err := k.makeFirst(context.WithoutCancel(ctx)); err != nil {
			cfg.Log.ErrorContext(ctx, "there is no signing key, so no tokens are issued", "cause", err)
		}
	}()
	return k, nil
}

// Restart reads the keys again after a laboratory has returned the store to an earlier state, and makes the first one if
// that state had none.
func (k *Keys) Restart(ctx context.Context) error {
	if err := k.Made(ctx); err != nil {
		return err
	}
	if err := k.Refresh(ctx); err != nil || len(k.ring.Load().keys) > 0 {
		return err
	}
	return k.makeFirst(ctx)
}

// Made waits until the first key was made, or could not be made.
func (k *Keys) Made(ctx context.Context) error {
	select {
	case <-k.made:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// makeFirst makes the first key, unless another replica has made it.
func (k *Keys) makeFirst(ctx context.Context) error {
	_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		return edit{add: len(r.keys) == 0, signFrom: now}, nil
	})
	if err != nil {
		return fmt.Errorf("make the first signing key: %w", err)
	}
	return nil
}

// PublicKeys is the key set: the current key, future keys, and those whose last token has not expired.
// Each key contains issuer, as in Entra's v2.0 key set; it may be empty. If other replicas may have changed the keys,
// callers call Refresh before.
func (k *Keys) PublicKeys(issuer string) []PublicKey {
	<-k.made
	now, r := k.cfg.Now(), k.ring.Load()
	set := make([]PublicKey, 0, len(r.keys))
	for _, key := range r.keys {
		if !key.expired(now) {
			set = append(set, key.public(issuer))
		}
	}
	return set
}

// published returns a key of the key set.
func (k *Keys) published(kid string, now time.Time) (*signingKey, bool) {
	return k.ring.Load().published(kid, now)
}

// signer is the key that signs now. With replicas whose clocks differ, a new key signs only when its time has come
// by all clocks.
func (k *Keys) signer(now time.Time) *signingKey {
	<-k.made
	return k.ring.Load().signer(k.earliest(now))
}

// earliest is now by the slowest clock of all replicas.
func (k *Keys) earliest(now time.Time) time.Time {
	if k.cfg.Earliest == nil {
		return now
	}
	return k.cfg.Earliest(now)
}

// Refresh makes sure that the keys are those of a revision of the store that is not older than the call. A key signs
// only after the commit that has stored it was acknowledged. So a key set after Refresh has every key with which any
// replica has signed before the call, even if this replica was paused or its change feed is late. It reads one
// record if nothing has changed.
func (k *Keys) Refresh(ctx context.Context) error {
	<-k.made
	var newest store.Revision
	err := k.cfg.Store.View(ctx, func(tx store.Tx) error {
		rec, err := tx.Get(headKey)
		newest = rec.Revision
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the revision of the signing keys: %w", err)
	}
	if k.ring.Load().head == newest {
		return nil
	}
	return k.reload(ctx)
}

// reload reads the keys from the store.
func (k *Keys) reload(ctx context.Context) error {
	k.load.Lock()
	defer k.load.Unlock()
	var r *ring
	// This is an Update and not a View, because Update returns the revision from which the change feed
	// continues.
	rev, err := k.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
		r, err = k.read(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	if now := k.ring.Load(); now != nil && now.revision > rev {
		return nil
	}
	r.revision = rev
	k.ring.Store(r)
	return nil
}

// read builds the ring of one transaction. It does not decrypt known keys again.
func (k *Keys) read(tx store.Tx) (*ring, error) {
	known := k.ring.Load()
	var keys []*signingKey
	var changed store.Revision
	for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
		if err != nil {
			return nil, err
		}
		if rec.Key == headKey {
			changed = rec.Revision
			continue
		}
		if known != nil {
			if i, ok := known.byKID[rec.Key[len(rowPrefix):]]; ok && known.keys[i].revision == rec.Revision {
				keys = append(keys, known.keys[i].signingKey)
				continue
			}
		}
		key, err := open(rec, k.cfg.Master)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	r := newRing(keys, k.cfg.MaxTokenLifetime+k.cfg.HeldBack)
	r.head = changed
	return r, nil
}
