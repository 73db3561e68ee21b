package grant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// AssertionUse is one use of a client assertion whose signature and claims are good.
type AssertionUse struct {
	App     string            // the client id
	ID      [sha256.Size]byte // of the assertion
	Address string            // of the client
	Until   time.Time         // from when on the assertion is refused as expired, by every replica
}

// assertionRecord is the first use of an assertion. The address is hashed with a key that is not in the store, as those
// of familiar are.
type assertionRecord struct {
	Address []byte    `json:"address"`
	Expires time.Time `json:"expires"`
}

var assertionUses = store.Table[assertionRecord]{Kind: store.AssertionKind, Missing: ErrInvalid}

// UseAssertion records the first use of a client assertion, and reports whether it was not used from another address
// before, at any replica. A process that alone uses its store remembers assertions in memory: it reports true and
// writes nothing.
func (g *Grants) UseAssertion(ctx context.Context, u AssertionUse) (first bool, err error) {
	if !g.Shared {
		return true, nil
	}
	sum := sha256.Sum256(append([]byte(arm.Fold(u.App)+"\x00"), u.ID[:]...))
	name := key(store.AssertionKind, "", hex.EncodeToString(sum[:]))
	address := g.Sealer.hasher.Sum("assertion address", u.Address)
	// Most uses are repetitions from the same address, and a View costs less than an Update.
	var known bool
	read := func(tx store.Tx) error {
		was, err := assertionUses.Get(tx, name)
		known = err == nil && g.now().Before(was.Expires)
		first = !known || string(was.Address) == string(address)
		if errors.Is(err, ErrInvalid) {
			return nil
		}
		return err
	}
	if err = g.Store.View(ctx, read); err == nil && !known {
		_, err = g.Store.Update(ctx, func(tx store.Tx) error {
			if err := read(tx); err != nil || known {
				return err
			}
			return putExpiring(tx, &assertionUses, name, assertionRecord{address, u.Until.UTC()}, u.Until)
		})
	}
	if err != nil {
		return false, fmt.Errorf("record the use of a client assertion: %w", err)
	}
	return first, nil
}
