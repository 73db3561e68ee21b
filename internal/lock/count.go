package lock

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// Limits. Those of one scope, of the notes and of the name are Azure's.
const (
	MaxLocks     = 2000 // in a subscription
	MaxAtScope   = 20
	maxName      = 260 // characters
	maxNotes     = 512 // characters
	maxOwners    = 20
	maxNamed     = 20 // scopes that an error names
	defaultPage  = 100
	maximumPage  = 1000
	removedAtOne = 60 // locks that one transaction of DeleteScope removes
)

// tally is the count record of a subscription. Every change of a lock writes it, also one that changes no number.
type tally struct {
	Locks int `json:"locks"`
}

var tallies = store.Table[tally]{Kind: store.LockCount}

func countKey(scope arm.ID) string { return store.LockCount.Keys + arm.Fold(scope.Subscription()) }

// count adds to the number of locks in a subscription.
func count(tx store.Tx, scope arm.ID, more int) error {
	n, err := tallies.Get(tx, countKey(scope))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("count the locks of subscription %s: %w", scope.Subscription(), err)
	}
	if n.Locks += more; n.Locks <= 0 {
		tx.Delete(countKey(scope))
		return nil
	}
	if more > 0 && n.Locks > MaxLocks {
		return errLimit(MaxLocks, "in a subscription")
	}
	return tallies.Put(tx, countKey(scope), n)
}
