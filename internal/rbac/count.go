package rbac

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxAssignments is the maximum number of role assignments at all scopes of a subscription together.
const MaxAssignments = 4000

// tally is the count record of a subscription. Every change of the assignments reads it, and writes it if the
// numbers change. So concurrent writers can neither exceed the limit nor remove the last Owner. They conflict
// with each other, but assignments are rarely written.
type tally struct {
	Assignments int `json:"assignments"`
	Owners      int `json:"owners"` // assignments of Owner at the subscription itself
}

var tallies = store.Table[tally]{Kind: store.AssignmentCount}

// count adds to a subscription's numbers. The error is errLimit at the limit, and errLastOwner for the last
// Owner.
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
