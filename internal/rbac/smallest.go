package rbac

import (
	"cmp"
	"strings"

	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// What an action that a role allows beside the wanted one adds to the size of the role. Reading what others have made
// is harmless compared to changing it, and rights at another resource provider are seldom what was meant.
const (
	sizeOfRead         = 1
	sizeOfHousekeeping = 10
	sizeOfOwn          = 100    // at the resource provider of the wanted action
	sizeOfForeign      = 300    // at another
	sizeOfChange       = 1_000  // anything but a read, if only a read is wanted
	sizeOfGranting     = 10_000 // to assign roles, if that is not wanted

	// A role that is made for another resource provider is taken only if it is far smaller.
	foreignFactor, foreignExtra = 4, 1_000
)

// SmallestRole returns the smallest built-in role, imported or part of Midas, that allows an action, which is folded;
// found is false if none does. A role that allows it only on a condition does not count. The size of a role is the
// sum of what it allows, where a change weighs more than a read; see the constants. Of roles of one size, the first
// by name is the smallest.
func (s *Service) SmallestRole(tx store.Tx, wanted string, data bool) (smallest Definition, found bool, err error) {
	if !isASCII(wanted) {
		return Definition{}, false, nil
	}
	library, err := s.library(tx)
	if err != nil {
		return Definition{}, false, err
	}
	all, err := library.sizes()
	if err != nil {
		return Definition{}, false, err
	}
	best := 0
	for _, m := range all {
		if !m.role.alwaysAllows(wanted, data) {
			continue
		}
		size := m.size(wanted, data)
		if !found || cmp.Or(cmp.Compare(size, best), strings.Compare(m.role.RoleName, smallest.RoleName)) < 0 {
			smallest, best, found = m.role.Definition, size, true
		}
	}
	return smallest, found, nil
}

// alwaysAllows reports whether the role allows an action whatever the attributes of the request are.
func (r *role) alwaysAllows(wanted string, data bool) bool {
	return r.allows(wanted, data) && (!r.conditional || r.outcome(condition.Query{Action: wanted, Data: data}) == condition.True)
}

// measured is a role with its footprint.
type measured struct {
	role *role
	*footprint
}

// measure returns the roles of the library with what they allow.
func (l *library) measure() ([]measured, error) {
	roles, err := l.compiled()
	if err != nil {
		return nil, err
	}
	known := newCatalogue(roles)
	all := make([]measured, len(roles))
	for i, r := range roles {
		all[i] = measured{r, known.footprint(r)}
	}
	return all, nil
}

// size is the size of the role for somebody who wants one action.
func (m measured) size(wanted string, data bool) int {
	home, readsOnly := namespaceOf(wanted), strings.HasSuffix(wanted, "/read")
	weight := func(namespace string) int {
		switch {
		case readsOnly && !data:
			return sizeOfChange
		case namespace == home:
			return sizeOfOwn
		}
		return sizeOfForeign
	}
	size := m.housekeeping * sizeOfHousekeeping
	for _, n := range m.reads {
		size += n * sizeOfRead
	}
	for namespace, n := range m.writes {
		size += n * weight(namespace)
	}
	for namespace, n := range m.data {
		size += n * weight(namespace)
	}
	if wanted != assignRoles && m.role.allows(assignRoles, false) {
		size += sizeOfGranting
	}
	if !m.everywhere && !m.role.isAbout(wanted) {
		size = size*foreignFactor + foreignExtra
	}
	return size
}
