package rbac

import (
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// checkCount checks the count of a subscription, of a management group or of the root. It scans the assignments there
// and, in a subscription, below it.
func checkCount(tx store.Tx, kept store.Record) error {
	n, err := tallies.Decode(kept)
	if err != nil {
		return err
	}
	at := strings.TrimPrefix(kept.Key, store.AssignmentCount.Keys)
	prefixes := []string{rowKey(at, "")}
	if !strings.Contains(at, "\x00") { // the id of a subscription
		subscription := store.AssignmentKind.Keys + "/subscriptions/" + at
		prefixes = []string{subscription + "\x00", subscription + "/"}
	}
	found := tally{}
	for i, prefix := range prefixes {
		for row, err := range assignments.Scan(tx, store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			found.Assignments++
			if i == 0 && arm.SameName(row.Data.DefinitionID, OwnerID) {
				found.Owners++
			}
		}
	}
	if found.Assignments != n.Assignments {
		return fmt.Errorf("the count is %d, and there are %d assignments", n.Assignments, found.Assignments)
	}
	if len(prefixes) == 2 && found.Owners != n.Owners {
		return fmt.Errorf("the count is %d, and there are %d Owners", n.Owners, found.Owners)
	}
	return nil
}

// checkCounted checks that an assignment in a subscription has a count record. Outside of subscriptions older versions
// wrote none.
func checkCounted(tx store.Tx, tenant string, scope arm.ID) error {
	if scope.Subscription() == "" {
		return nil
	}
	return store.Exists(tx, "the count of its subscription", countKey(tenant, scope))
}

// checkName checks that the record of a name has its assignment.
func checkName(tx store.Tx, kept store.Record) error {
	_, name, found := strings.Cut(strings.TrimPrefix(kept.Key, store.AssignmentIndex.Keys), "/")
	if !found {
		return errors.New("the key has no name")
	}
	return store.Exists(tx, "its assignment", rowKey(string(kept.Value), name))
}
