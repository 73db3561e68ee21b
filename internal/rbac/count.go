package rbac

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxAssignments is how many role assignments a subscription holds, all its scopes together.
const MaxAssignments = 4000

// tally is a subscription's count record. Every change of its assignments reads and, where the
// numbers change, writes it, which is what makes the limit and the last Owner safe against
// concurrent writers. They contend for it, but assignments are rarely written.
type tally struct {
	Assignments int `json:"assignments"`
	Owners      int `json:"owners"` // assignments of Owner at the subscription itself
}

var tallies = store.Table[tally]{Kind: store.AssignmentCount}

// count changes a subscription's numbers, or refuses to.
func count(tx store.Tx, scope arm.ID, assignments, owners int) error {
	if scope.Subscription() == "" || assignments == 0 && owners == 0 {
		return nil
	}
	n, err := loadTally(tx, scope)
	if err != nil {
		return err
	}
	if assignments > 0 && n.Assignments >= MaxAssignments {
		return errLimit()
	}
	if owners < 0 && n.Owners <= 1 {
		return errLastOwner()
	}
	n.Assignments += assignments
	n.Owners += owners
	return n.save(tx, scope)
}

func loadTally(tx store.Tx, scope arm.ID) (tally, error) {
	n, err := tallies.Get(tx, countKey(scope.Subscription()))
	if errors.Is(err, store.ErrNotFound) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("count the role assignments of subscription %s: %w", scope.Subscription(), err)
	}
	return n, nil
}

func (n tally) save(tx store.Tx, scope arm.ID) error {
	return tallies.Put(tx, countKey(scope.Subscription()), n)
}
