package rbac

import (
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// denyInconsistencies reads all deny assignments and their count records. It yields an error for each deny assignment
// that is not under the key of its tenant, scope and name, and for each tenant whose count is wrong. It ends, and returns
// false, after an error of the store and when yield returns false.
func denyInconsistencies(tx store.Tx, yield func(error) bool) bool {
	count := map[string]int{} // by tenant
	for kept, err := range tx.Scan(store.Range{Prefix: store.DenyAssignmentKind.Keys}) {
		if err != nil {
			yield(err)
			return false
		}
		d, err := denyAssignments.Decode(kept)
		if err == nil {
			count[d.TenantID]++
			err = checkDenyRow(kept, d)
		}
		if err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
			return false
		}
	}
	for kept, err := range tx.Scan(store.Range{Prefix: store.DenyAssignmentCount.Keys}) {
		if err != nil {
			yield(err)
			return false
		}
		tenant := strings.TrimPrefix(kept.Key, store.DenyAssignmentCount.Keys)
		n, err := denyTallies.Decode(kept)
		if err == nil && n.DenyAssignments != count[tenant] {
			err = fmt.Errorf("the count is %d, but there are %d", n.DenyAssignments, count[tenant])
		}
		if delete(count, tenant); err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
			return false
		}
	}
	for tenant, n := range count {
		if !yield(fmt.Errorf("%d deny assignments of tenant %s are not counted, so they deny nothing", n, tenant)) {
			return false
		}
	}
	return true
}

func checkDenyRow(kept store.Record, d DenyAssignment) error {
	if err := arm.CheckKey(d.Scope, denyScopeOf(kept.Key)); err != nil {
		return err
	}
	scope, err := arm.ParseID(d.Scope)
	if err != nil {
		return err
	}
	if denyKey(scopeKey(d.TenantID, scope), d.Name) != kept.Key {
		return fmt.Errorf("the key is not that of %s at %q", d.Name, d.Scope)
	}
	return nil
}
