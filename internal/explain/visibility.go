package explain

import (
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// readsDirectory reports whether the asker may read the names and the groups of the principal: it asks about
// itself, is a user of the tenant, or has a directory role or an app role of Microsoft Graph that allows to read
// groups. These are the rights that the API of Microsoft Graph asks for.
func (s *Service) readsDirectory(tx store.Tx, q *Question) (bool, error) {
	if q.self() {
		return true, nil
	}
	tenant, asker := q.Asker.TenantID, q.Asker.ObjectID
	if _, err := s.Directory.User(tx, tenant, asker); !errors.Is(err, directory.ErrNotFound) {
		return err == nil, err
	}
	roles, err := s.Directory.DirectoryRoles(tx, tenant, asker)
	if err != nil || len(roles) > 0 {
		return err == nil, err
	}
	values, err := s.Directory.GraphRoles(tx, tenant, asker)
	return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(readers(), v) }), err
}

// knowsPrincipals reports whether the asker may know which principals exist: it reads the directory, or it may assign
// roles at the scope, where an assignment of a missing principal is refused.
func (s *Service) knowsPrincipals(tx store.Tx, q *Question) (bool, error) {
	reads, err := s.readsDirectory(tx, q)
	if err != nil || reads {
		return reads, err
	}
	return s.RBAC.Authorize(tx, q.Asker, arm.Fold(writeAssignments), q.Scope)
}

// hideDirectory removes what only readers of the directory may see: names, groups without an assignment, and, unless
// the asker knows it from elsewhere, whether there is a principal and whether it is enabled. That a principal is in a
// group with an assignment can be seen by everyone who may list the assignments.
func (a *Answer) hideDirectory(knowsPrincipals bool) {
	a.Principal.Name, a.Principal.Groups = "", 0
	if !knowsPrincipals && a.Explanation.Effect != rbac.Allowed {
		a.Principal.Type, a.Principal.State = "", ""
	}
	for id, path := range a.Paths {
		a.Paths[id] = []Group{{ID: path[len(path)-1].ID}}
	}
}

// hideNearMisses removes assignments at other scopes that the asker may not read. Its own assignments everyone may
// know.
func (s *Service) hideNearMisses(tx store.Tx, q *Question, x *rbac.Explanation) error {
	if q.self() {
		return nil
	}
	var shown []rbac.Considered
	for _, c := range x.NearMisses {
		at, err := arm.ParseID(c.At)
		if err != nil {
			return fmt.Errorf("scope of role assignment %s: %w", c.Name, err)
		}
		may, err := s.RBAC.Authorize(tx, q.Asker, arm.Fold(readAssignments), at)
		if err != nil {
			return err
		}
		if may {
			shown = append(shown, c)
		}
	}
	if len(shown) < len(x.NearMisses) { // otherwise More would tell that there are some
		x.More = len(x.Considered) >= rbac.MaxConsidered
	}
	x.NearMisses = shown
	return nil
}
