package explain

import (
	"fmt"

	"midas/internal/rbac"
	"midas/internal/store"
)

// suggest returns the smallest built-in role that would allow an access, or nil if none would.
func (s *Service) suggest(tx store.Tx, a rbac.Access, answer *Answer) (*Suggestion, error) {
	role, found, err := s.RBAC.SmallestRole(tx, a.Action, a.Data)
	if err != nil || !found {
		return nil, err
	}
	suggestion := &Suggestion{RoleID: role.ID, RoleName: role.RoleName, Scope: a.Scope.String()}
	switch {
	case answer.Explanation.Effect == rbac.Denied:
		suggestion.Note = fmt.Sprintf("No role helps as long as the deny assignment %s denies the action. "+
			"The principal must first be excluded from it.", answer.DenyName)
	case answer.Explanation.Conditional:
		suggestion.Note = "The principal has an assignment with the action already. A request that meets its condition needs no other role."
	case a.Scope.IsResource():
		suggestion.Note = fmt.Sprintf("If the resource does not exist yet, assign the role at %s.", a.Scope.Base())
	}
	return suggestion, nil
}
