package rbac

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// assignRoles is the action that is needed to create role assignments.
const assignRoles = "microsoft.authorization/roleassignments/write"

// MayAssignRoles reports whether one of the principals of a tenant may assign roles at any scope, as Owner and
// User Access Administrator may. Such a principal can assign itself every role at that scope. An assignment with a
// condition counts, and deny assignments do not matter, because the question is what a principal could do one day,
// and not what it may do now.
func (s *Service) MayAssignRoles(tx store.Tx, tenant string, principals []string) (found bool, err error) {
	r := grantReader{service: s, tx: tx, tenant: arm.Fold(tenant)}
	for _, id := range principals {
		_, err := r.each(indexPrefix(id), func(g *grant) (more bool) {
			found = g.role != nil && g.role.allows(assignRoles, false)
			return !found
		})
		if err != nil {
			return false, fmt.Errorf("look up the right to assign roles: %w", err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}
