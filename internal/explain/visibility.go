package explain

import (
	"errors"
	"slices"

	"midas/internal/directory"
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

// hideDirectory removes what only readers of the directory may see: names, and groups without an assignment. That a
// principal is in a group with an assignment can be seen by everyone who may list the assignments.
func (a *Answer) hideDirectory() {
	a.Principal.Name, a.Principal.Groups = "", 0
	for id, path := range a.Paths {
		a.Paths[id] = []Group{{ID: path[len(path)-1].ID}}
	}
}
