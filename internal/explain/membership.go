package explain

import (
	"errors"

	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// memberships are the groups of a principal, and for each the member through which the principal is in it.
type memberships struct {
	principal string
	groups    []string          // direct and nested, in breadth-first order
	through   map[string]string // by group: the principal or the group that is its direct member
}

// memberships finds the groups of a principal. They are those of TransitiveMemberOf, which requests get.
func (s *Service) memberships(tx store.Tx, tenant, principal string) (memberships, error) {
	m := memberships{principal: principal, through: map[string]string{}}
	var err error
	if m.groups, err = s.Directory.TransitiveMemberOf(tx, tenant, principal); err != nil {
		return memberships{}, err
	}
	for _, member := range append([]string{principal}, m.groups...) {
		direct, err := s.Directory.MemberOf(tx, tenant, member)
		if err != nil {
			return memberships{}, err
		}
		for _, group := range direct {
			if _, found := m.through[group]; !found && group != principal {
				m.through[group] = member
			}
		}
	}
	return m, nil
}

// path returns the groups from the principal to a group, which is the last; or nil for the principal itself.
func (m memberships) path(group string) []string {
	var path []string
	for at := group; at != m.principal && len(path) <= len(m.groups); at = m.through[at] {
		path = append([]string{at}, path...)
	}
	return path
}

// paths returns the path to each group that has an assignment in the explanation.
func (s *Service) paths(tx store.Tx, tenant string, m memberships, x rbac.Explanation) (map[string][]Group, error) {
	paths := map[string][]Group{}
	for _, list := range [][]rbac.Considered{x.Considered, x.NearMisses} {
		for _, c := range list {
			if _, known := paths[c.Principal]; known || c.Principal == m.principal {
				continue
			}
			groups := []Group{}
			for _, id := range m.path(c.Principal) {
				name, err := s.name(tx, tenant, directory.ObjectGroup, id)
				if err != nil && !errors.Is(err, directory.ErrNotFound) {
					return nil, err
				}
				groups = append(groups, Group{ID: id, Name: name})
			}
			paths[c.Principal] = groups
		}
	}
	return paths, nil
}

// readers are the app roles of Microsoft Graph that allow to read groups and their members.
func readers() []string {
	return []string{"Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
}
