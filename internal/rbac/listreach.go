package rbac

import (
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// listReach is where the assignments of one list are: the scopes at which it finds them, and the key ranges.
type listReach struct {
	service *Service
	filter  Filter
	scope   arm.ID
	above   []string // the forms of scopeKey of the scope and of what is above it, in ascending order
}

// reachOf returns the reach of a list.
func (s *Service) reachOf(tx store.Tx, scope arm.ID, f Filter) (listReach, error) {
	r := listReach{service: s, filter: f, scope: scope}
	for up := range scope.Ancestors() {
		r.above = append(r.above, scopeKey(f.TenantID, up))
	}
	if s.Above != nil {
		groups, err := s.Above(tx, f.TenantID, scope)
		if err != nil {
			return listReach{}, err
		}
		for _, group := range groups {
			r.above = append(r.above, scopeKey(f.TenantID, group))
		}
	}
	slices.Sort(r.above)
	return r, nil
}

// acrossSubscriptions reports whether a list goes below the root or a management group.
func (r listReach) acrossSubscriptions() bool {
	return r.scope.Subscription() == "" && !r.filter.AtScope && len(r.filter.principals()) > 0
}

// ranges returns the prefixes of the keys to read: those of the assignments, or those of the index entries of
// the selected principals.
func (r listReach) ranges() []string {
	bases := []string{store.AssignmentKind.Keys}
	if principals := r.filter.principals(); len(principals) > 0 {
		bases = bases[:0]
		for _, p := range principals {
			bases = append(bases, indexPrefix(p))
		}
	}
	var scopes []string
	switch {
	case r.acrossSubscriptions():
		scopes = []string{scopeKey(r.filter.TenantID, arm.ID{}) + "\x00", groupKeys, "/subscriptions/"}
	default:
		for _, scope := range r.above {
			scopes = append(scopes, scope+"\x00")
		}
		if !r.filter.AtScope && r.scope.Subscription() != "" {
			scopes = append(scopes, r.scope.Key()+"/")
		}
	}
	ranges := make([]string, 0, len(bases)*len(scopes))
	for _, base := range bases {
		for _, scope := range scopes {
			ranges = append(ranges, base+scope)
		}
	}
	return ranges
}

// selects reports whether an assignment of the ranges is in the list: it is of the list's tenant and, in a list
// across subscriptions, at the listed scope, above it or below it.
func (r listReach) selects(tx store.Tx, a Assignment) (bool, error) {
	if mine := arm.SameName(a.TenantID, r.filter.TenantID); !mine || !r.acrossSubscriptions() || r.scope.IsRoot() {
		return mine, nil
	}
	at, err := arm.ParseID(a.Scope)
	if err != nil || slices.Contains(r.above, scopeKey(a.TenantID, at)) || r.scope.Contains(at) {
		return err == nil, err
	}
	if r.service.Above == nil {
		return false, nil
	}
	above, err := r.service.Above(tx, a.TenantID, at)
	return slices.ContainsFunc(above, func(group arm.ID) bool { return group.Key() == r.scope.Key() }), err
}
