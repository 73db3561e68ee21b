package rbac

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxDenyAssignments is the maximum number of deny assignments in a tenant. It bounds the time of a decision.
const MaxDenyAssignments = 2000

// denyTally is the count record of a tenant. Every change of a deny assignment writes it, also one that does not
// change the number, so what was computed for one of its revisions is exact.
type denyTally struct {
	DenyAssignments int `json:"denyAssignments"`
}

var denyTallies = store.Table[denyTally]{Kind: store.DenyAssignmentCount}

func denyCountKey(tenant string) string { return store.DenyAssignmentCount.Keys + arm.Fold(tenant) }

// countDenies adds to the number of deny assignments of a tenant.
func countDenies(tx store.Tx, tenant string, more int) error {
	n, err := denyTallies.Get(tx, denyCountKey(tenant))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("count the deny assignments of tenant %s: %w", tenant, err)
	}
	if n.DenyAssignments += more; n.DenyAssignments <= 0 {
		tx.Delete(denyCountKey(tenant))
		return nil
	}
	if more > 0 && n.DenyAssignments > MaxDenyAssignments {
		return errDenyLimit()
	}
	return denyTallies.Put(tx, denyCountKey(tenant), n)
}
