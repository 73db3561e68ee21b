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
// An assignment with a condition counts as a way to assign roles, because this is a question of danger and not of
// right.
func (s *Service) MayAssignRoles(tx store.Tx, tenant string, principals []string) (bool, error) {
	found := false
	e := evaluation{service: s, tx: tx, tenant: arm.Fold(tenant), visit: func(g grant) (bool, error) {
		r, err := s.role(tx, tenant, g.definition)
		found = r != nil && r.allows(assignRoles, false)
		return !found, err
	}}
	for _, id := range principals {
		for rec, err := range tx.Scan(store.Range{Prefix: indexPrefix(id)}) {
			if err == nil {
				err = e.visitRecord(rec)
			}
			if err != nil {
				return false, fmt.Errorf("look up the right to assign roles: %w", err)
			}
			if found {
				return true, nil
			}
		}
	}
	return false, nil
}
