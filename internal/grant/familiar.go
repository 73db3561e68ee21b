package grant

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"midas/internal/store"
	"midas/internal/throttle"
)

// FamiliarLifetime is how long an address stays familiar after a user has signed in from it.
const FamiliarLifetime = 90 * 24 * time.Hour

// MaxFamiliar is how many familiar addresses a user can have. A further one replaces the oldest.
const MaxFamiliar = 8

// familiar lists the addresses from which a user has signed in, oldest first. They are hashed with a key
// that is not in the store, because all addresses could be tried against a plain hash.
type familiar struct {
	Sources []familiarSource `json:"sources"`
	Expires time.Time        `json:"expires"` // when the newest address expires
}

type familiarSource struct {
	Hash  []byte    `json:"hash"`
	Since time.Time `json:"since"` // when the user signed in; updated after half of FamiliarLifetime
}

var familiars = store.Table[familiar]{Kind: store.FamiliarKind, Missing: ErrInvalid}

// familiarKey returns the key of a user's record. The user name is hashed because it can have any
// character and be longer than a segment of a key.
func (g *Grants) familiarKey(tenant, user string) string {
	sum := g.Sealer.hasher.Sum("familiar user", tenant, user)
	return key(store.FamiliarKind, tenant, hex.EncodeToString(sum))
}

func (g *Grants) familiarHash(tenant, user string, from throttle.Source) []byte {
	return g.Sealer.hasher.Sum("familiar address", tenant, user, from.Address())
}

// IsFamiliar implements throttle.FamiliarSources. Callers fold tenant and user.
func (g *Grants) IsFamiliar(ctx context.Context, tenant, user string, from throttle.Source) (bool, error) {
	since, err := g.familiarSince(ctx, tenant, user, from)
	return !since.IsZero(), err
}

// familiarSince returns the time of the recorded sign-in from a familiar address, or the zero time if the
// address is not familiar.
func (g *Grants) familiarSince(ctx context.Context, tenant, user string, from throttle.Source) (since time.Time, err error) {
	name, hash := g.familiarKey(tenant, user), g.familiarHash(tenant, user, from)
	err = g.Store.View(ctx, func(tx store.Tx) error {
		since = time.Time{}
		all, err := familiars.Get(tx, name)
		if errors.Is(err, ErrInvalid) {
			return nil
		}
		for _, one := range all.Sources {
			if subtle.ConstantTimeCompare(one.Hash, hash) == 1 && g.isFamiliarNow(one) {
				since = one.Since
			}
		}
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("find familiar addresses: %w", err)
	}
	return since, nil
}

func (g *Grants) isFamiliarNow(one familiarSource) bool {
	return g.now().Before(one.Since.Add(FamiliarLifetime))
}

// Remember implements throttle.FamiliarSources. It writes only if the address is new, or was recorded more than
// half of FamiliarLifetime ago.
func (g *Grants) Remember(ctx context.Context, tenant, user string, from throttle.Source) error {
	since, err := g.familiarSince(ctx, tenant, user, from)
	if err != nil || !since.IsZero() && g.now().Before(since.Add(FamiliarLifetime/2)) {
		return err
	}
	name, hash := g.familiarKey(tenant, user), g.familiarHash(tenant, user, from)
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		now := g.now()
		all, err := familiars.Get(tx, name)
		if errors.Is(err, ErrInvalid) {
			err = expireAt(tx, now.Add(FamiliarLifetime), name)
		}
		if err != nil {
			return err
		}
		all.Sources = slices.DeleteFunc(all.Sources, func(one familiarSource) bool {
			return subtle.ConstantTimeCompare(one.Hash, hash) == 1 || !g.isFamiliarNow(one)
		})
		all.Sources = append(all.Sources, familiarSource{Hash: hash, Since: now})
		all.Sources = all.Sources[max(0, len(all.Sources)-MaxFamiliar):]
		all.Expires = now.Add(FamiliarLifetime)
		return familiars.Put(tx, name, all)
	})
	if err != nil {
		return fmt.Errorf("keep a familiar address: %w", err)
	}
	return nil
}
