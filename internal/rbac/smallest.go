package rbac

import (
	"cmp"
	"slices"

	"midas/internal/arm"
)

// SmallestRole returns the smallest built-in role that allows an action, which is folded; found is false if none
// does. The size of a role is the number of actions that it allows, counted among all actions that the built-in roles
// name in full, then the number of its patterns; of roles of one size, the first by name is the smallest.
func (s *Service) SmallestRole(action string, data bool) (smallest Definition, found bool) {
	var candidates []*role
	for _, r := range s.builtInRoles() {
		if isASCII(action) && r.allows(action, data) {
			candidates = append(candidates, r)
		}
	}
	if len(candidates) == 0 {
		return Definition{}, false
	}
	named := s.namedActions()
	size := func(r *role) (n int) {
		for _, a := range named.control {
			if r.allows(a, false) {
				n++
			}
		}
		for _, a := range named.data {
			if r.allows(a, true) {
				n++
			}
		}
		return n
	}
	sizes := make(map[*role]int, len(candidates))
	for _, r := range candidates {
		sizes[r] = size(r)
	}
	r := slices.MinFunc(candidates, func(a, b *role) int {
		return cmp.Or(cmp.Compare(sizes[a], sizes[b]), cmp.Compare(a.patterns(), b.patterns()), cmp.Compare(a.RoleName, b.RoleName))
	})
	return r.Definition, true
}

// patterns is the number of the role's patterns.
func (r *role) patterns() (n int) {
	for _, p := range r.Permissions {
		n += len(p.Actions) + len(p.NotActions) + len(p.DataActions) + len(p.NotDataActions)
	}
	return n
}

// actionNames are folded actions of the control plane and of the data plane.
type actionNames struct{ control, data []string }

// namedActions returns the actions that the built-in roles name in full.
func (s *Service) namedActions() actionNames {
	var names actionNames
	add := func(to *[]string, patterns []string) {
		for _, p := range patterns {
			if !slices.Contains([]byte(p), '*') {
				*to = append(*to, arm.Fold(p))
			}
		}
	}
	for _, r := range s.builtInRoles() {
		for _, p := range r.Permissions {
			add(&names.control, slices.Concat(p.Actions, p.NotActions))
			add(&names.data, slices.Concat(p.DataActions, p.NotDataActions))
		}
	}
	for _, list := range []*[]string{&names.control, &names.data} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return names
}

// builtInRoles returns the compiled roles that are part of Midas in the order of their names.
func (s *Service) builtInRoles() []*role {
	all, err := s.roles.embedded.compiled()
	if err != nil {
		panic(err) // the file is part of the program, and a test decodes it
	}
	slices.SortFunc(all, func(a, b *role) int { return cmp.Compare(a.RoleName, b.RoleName) })
	return all
}
