package rbac

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// assignRoles is the action that is needed to create role assignments.
const assignRoles = "microsoft.authorization/roleassignments/write"

// MayAssignRoles reports whether one of the principals of a tenant may assign roles at any scope, as Owner and
// User Access Administrator may. Such a principal can assign itself every role at that scope.
func (s *Service) MayAssignRoles(tx store.Tx, tenant string, principals []string) (bool, error) {
	found := false
	e := evaluation{tx: tx, roles: s.roles, tenant: arm.Fold(tenant), visit: func(r *role) bool {
		found = r.allows(assignRoles)
		return !found
	}}
	for _, id := range principals {
		for rec, err := range tx.Scan(store.Range{Prefix: indexPrefix(id)}) {
			if err != nil {
				return false, fmt.Errorf("look up the right to assign roles: %w", err)
			}
			if e.visitRecord(rec); found {
				return true, nil
			}
		}
	}
	return false, nil
}
