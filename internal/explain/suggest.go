package explain

import (
	"fmt"

	"midas/internal/rbac"
	"midas/internal/store"
)

// suggest returns the smallest built-in role that would allow an access, or nil if none would.
func (s *Service) suggest(tx store.Tx, a rbac.Access, x rbac.Explanation) (*Suggestion, error) {
	role, found, err := s.RBAC.SmallestRole(tx, a.Action, a.Data)
	if err != nil || !found {
		return nil, err
	}
	suggestion := &Suggestion{RoleID: role.ID, RoleName: role.RoleName, Scope: a.Scope.String()}
	switch {
	case x.Effect == rbac.Denied:
		suggestion.Note = fmt.Sprintf("No role helps as long as the deny assignment %s at %s denies the action. "+
			"The principal must first be excluded from it.", x.Deny.Name, x.Deny.Scope)
	case a.Scope.IsResource():
		suggestion.Note = fmt.Sprintf("If the resource does not exist yet, assign the role at %s.", a.Scope.Base())
	}
	return suggestion, nil
}
