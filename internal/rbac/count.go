package rbac

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// The maximum numbers of role assignments, as in Azure.
const (
	MaxAssignments      = 4000 // at all scopes of a subscription together
	MaxGroupAssignments = 500  // at one management group, and at the root of a tenant
)

// tally is the count record of a subscription, of a management group or of a tenant's root. Every change of the
// assignments reads it, and writes it if the numbers change. So concurrent writers can neither exceed the limit
// nor remove the last Owner. They conflict with each other, but assignments are rarely written.
type tally struct {
	Assignments int `json:"assignments"`
	Owners      int `json:"owners"` // assignments of Owner at the subscription itself
}

var tallies = store.Table[tally]{Kind: store.AssignmentCount}

// countKey is the key of the count record for a scope: that of the scope's subscription, or that of the scope
// itself outside of subscriptions.
func countKey(tenant string, scope arm.ID) string {
	if subscription := scope.Subscription(); subscription != "" {
		return store.AssignmentCount.Keys + arm.Fold(subscription)
	}
	return store.AssignmentCount.Keys + scopeKey(tenant, scope)
}

// count adds to the numbers for the scope of an assignment. The error is errLimit at the limit, and errLastOwner
// for the last Owner.
func count(tx store.Tx, tenant string, scope arm.ID, change tally) error {
	if change == (tally{}) {
		return nil
	}
	n, err := loadTally(tx, tenant, scope)
	if err != nil {
		return err
	}
	if change.Assignments > 0 && n.Assignments >= limitAt(scope) {
		return errLimit()
	}
	if change.Owners < 0 && n.Owners <= 1 {
		return errLastOwner()
	}
	n.Assignments += change.Assignments
	n.Owners += change.Owners
	return n.save(tx, tenant, scope)
}

// save puts the record. A scope outside of subscriptions without assignments has none, so that the records of
// management groups do not outlive them.
func (n tally) save(tx store.Tx, tenant string, scope arm.ID) error {
	if n.Assignments <= 0 && scope.Subscription() == "" {
		tx.Delete(countKey(tenant, scope))
		return nil
	}
	return tallies.Put(tx, countKey(tenant, scope), n)
}

func loadTally(tx store.Tx, tenant string, scope arm.ID) (n tally, err error) {
	n, err = tallies.Get(tx, countKey(tenant, scope))
	if errors.Is(err, store.ErrNotFound) {
		n, err = tally{}, nil
		if scope.Subscription() == "" {
			n.Assignments, err = countRows(tx, rowKey(scopeKey(tenant, scope), ""))
		}
	}
	if err != nil {
		return n, fmt.Errorf("count the role assignments at %s: %w", scope, err)
	}
	return n, nil
}

// countRows counts the assignments at a scope outside of subscriptions that has no count record. Older versions of
// Midas wrote none. The transaction has got the missing record and puts it, so the scan need not be guarded: of two
// transactions that have counted, one runs again.
func countRows(tx store.Tx, prefix string) (n int, err error) {
	for _, err := range tx.Scan(store.Range{Prefix: prefix, Limit: 10 * MaxGroupAssignments}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Count returns the number of role assignments in a subscription, at a management group or at the root, and the
// maximum.
func (s *Service) Count(tx store.Tx, tenant string, scope arm.ID) (n, limit int, err error) {
	t, err := loadTally(tx, tenant, scope)
	return t.Assignments, limitAt(scope), err
}

// limitAt is the maximum number that counts for an assignment at a scope.
func limitAt(scope arm.ID) int {
	if scope.Subscription() == "" {
		return MaxGroupAssignments
	}
	return MaxAssignments
}
