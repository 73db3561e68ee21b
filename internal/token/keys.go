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
	// maxKeys bounds the ring, and with it the key set that everyone fetches, whatever an operator's
	// script does with Rotate.
	maxKeys = 8
)

var (
	// rowPrefix begins the keys of all rows.
	rowPrefix = store.KeyKind.Keys

	// headKey is the empty name below it, which no key has. It is got and put by every change of the
	// ring, so that of two replicas that want to rotate at the same moment, one sees what the other
	// did. Scans are not guarded by themselves.
	headKey = rowPrefix
)

// KeysConfig says how the signing keys of one installation are kept. Store, Master, Now and
// MaxTokenLife are required.
type KeysConfig struct {
	Store  store.Store
	Master seal.MasterKey
	Now    func() time.Time
	Log    *slog.Logger // what Run could not do and tries again; nil: not said

	// Retention tells whether the clock may be believed by what makes and removes keys by age; nil: always.
	Retention *retention.Guard

	// RotateEvery is how long a key signs before Run replaces it. 0: only Rotate replaces it.
	RotateEvery time.Duration

	// PublishBefore is how long a new key is in the key set before it signs. It should not be
	// shorter than relying parties keep the key set (the discovery face lets them keep it for a
	// day), and not shorter than the change feed may be late. 0: a new key signs at once, which is
	// for laboratories and for one process whose relying parties ask again about an unknown key.
	PublishBefore time.Duration

	// MaxTokenLife is the longest life of a token. Mint refuses longer ones; a superseded key stays
	// published for so long.
	MaxTokenLife time.Duration
}

// Keys are the signing keys of one installation. It is safe for concurrent use.
type Keys struct {
	cfg  KeysConfig
	load sync.Mutex // one reader of the rows at a time, so that an older ring never replaces a newer
	ring atomic.Pointer[ring]
}

// OpenKeys reads the signing keys, and makes the first one where there is none. It gives an error
// that wraps ErrMaster when the rows were sealed with another master key.
func OpenKeys(ctx context.Context, cfg KeysConfig) (*Keys, error) {
	if cfg.Store == nil || cfg.Now == nil || cfg.MaxTokenLife <= 0 || cfg.RotateEvery < 0 || cfg.PublishBefore < 0 {
		return nil, errors.New("open signing keys: Store, Now and MaxTokenLife are required, and no duration is negative")
	}
	if cfg.RotateEvery > 0 && cfg.RotateEvery <= cfg.PublishBefore {
		return nil, fmt.Errorf("open signing keys: rotating every %s leaves no time to publish a key %s before it signs", cfg.RotateEvery, cfg.PublishBefore)
	}
	if cfg.RotateEvery > 0 && 2+(cfg.PublishBefore+cfg.MaxTokenLife+clock.Skew)/cfg.RotateEvery > maxKeys {
		return nil, fmt.Errorf("open signing keys: rotating every %s would publish more than %d keys at a time, as tokens live up to %s", cfg.RotateEvery, maxKeys, cfg.MaxTokenLife)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keys{cfg: cfg}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	if len(k.ring.Load().keys) > 0 {
		return k, nil
	}
	_, err := k.change(ctx, func(now time.Time, r *ring) (edit, error) {
		return edit{add: len(r.keys) == 0, signFrom: now}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the first signing key: %w", err)
	}
	return k, nil
}

// PublicKeys are the keys that a verifier may meet: those that sign, those that will, and those
// whose last token has not expired. issuer is repeated in each, as Entra's v2.0 key set does; it
// may be empty.
func (k *Keys) PublicKeys(issuer string) []PublicKey {
	now, r := k.cfg.Now(), k.ring.Load()
	set := make([]PublicKey, 0, len(r.keys))
	for _, key := range r.keys {
		if !key.over(now) {
			set = append(set, key.public(issuer))
		}
	}
	return set
}

// published gives a key of the key set.
func (k *Keys) published(kid string, now time.Time) (*signingKey, bool) {
	return k.ring.Load().published(kid, now)
}

// signer is the key that signs now.
func (k *Keys) signer(now time.Time) *signingKey { return k.ring.Load().signer(now) }

// reload takes over what the store holds.
func (k *Keys) reload(ctx context.Context) error {
	k.load.Lock()
	defer k.load.Unlock()
	var r *ring
	// It is an Update, not a View, because an Update tells the revision that it has read, from
	// which the change feed then goes on.
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

// read builds the ring of one transaction. Keys that are open already are not opened again.
func (k *Keys) read(tx store.Tx) (*ring, error) {
	known := k.ring.Load()
	var keys []*signingKey
	for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
		if err != nil {
			return nil, err
		}
		if rec.Key == headKey {
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
	return newRing(keys, k.cfg.MaxTokenLife), nil
}
