package rbac

import (
	"errors"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// evaluation finds the role assignments that apply at a scope. The assignments that are found are a parameter and a
// result of its methods, so that a caller's array for them need not be allocated.
type evaluation struct {
	service *Service
	tx      store.Tx
	tenant  string // of the caller
	scope   arm.ID

	above      []arm.ID // the management groups above the scope
	aboveKnown bool
}

// effective appends to found the assignments that apply to the caller at the scope: those at the scope, at the
// scopes that its id names, at the management groups above it and at the root. Their conditions are not evaluated.
func (s *Service) effective(tx store.Tx, caller *Caller, scope arm.ID, found []*grant) ([]*grant, error) {
	g, err := s.grantsOf(tx, caller)
	if err != nil {
		return nil, err
	}
	return s.reaching(tx, g, scope, found)
}

// reaching is effective with the grants of the caller.
func (s *Service) reaching(tx store.Tx, g *grants, scope arm.ID, found []*grant) ([]*grant, error) {
	e := evaluation{service: s, tx: tx, tenant: g.tenant, scope: scope}
	before := len(found)
	found, err := e.appendTo(found, g)
	for i := 0; i < len(g.large) && err == nil; i++ {
		found, err = e.appendLarge(found, g.large[i])
	}
	if err == nil && s.Effective != nil {
		return s.withoutDelayed(tx, found, before)
	}
	return found, err
}

// withoutDelayed removes from found, from an index on, the assignments that a laboratory lets take effect later.
func (s *Service) withoutDelayed(tx store.Tx, found []*grant, from int) ([]*grant, error) {
	effective := s.Effective()
	if effective == nil {
		return found, nil
	}
	kept := found[:from]
	for _, g := range found[from:] {
		a, err := assignments.Get(tx, rowKey(g.scope, g.name))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return kept, err
		}
		if effective(a.CreatedOn) {
			kept = append(kept, g)
		}
	}
	return kept, nil
}

// appendLarge appends the assignments of a principal that has many, but for those that the list has. It goes down
// from the subscription to the scope, and stops as soon as it has read all assignments below.
func (e *evaluation) appendLarge(found []*grant, of large) (_ []*grant, err error) {
	if of.outside {
		if found, err = e.appendOutside(found, of.principal); err != nil {
			return found, err
		}
	}
	if e.scope.Subscription() == "" {
		return found, nil
	}
	var levels [maxLevels]string
	n := maxLevels
	for up := e.scope; !up.IsRoot() && n > 0; up = up.Parent() {
		n--
		levels[n] = up.Key()
	}
	for _, scope := range levels[n:] {
		branch, err := e.service.grantsIn(e.tx, e.tenant, of.principal, scope)
		if err == nil {
			found, err = e.appendTo(found, branch)
		}
		if err != nil || !branch.partial {
			return found, err
		}
	}
	return found, nil
}

// maxLevels is more than the number of levels that an id can have.
const maxLevels = 40

// appendOutside appends the assignments at the management groups above a scope, and at the scope and its ancestors
// outside of subscriptions, of a principal that has many assignments there.
func (e *evaluation) appendOutside(found []*grant, principal string) ([]*grant, error) {
	if err := e.findAbove(); err != nil {
		return found, err
	}
	scopes := slices.Clone(e.above)
	for up := e.scope; !up.IsRoot(); up = up.Parent() { // the list has the grants at the root
		if up.Subscription() == "" {
			scopes = append(scopes, up)
		}
	}
	r := grantReader{service: e.service, tx: e.tx, tenant: arm.Fold(e.tenant)}
	for _, scope := range scopes {
		if _, err := r.read(indexPrefix(principal)+scopeKey(r.tenant, scope)+"\x00", 0); err != nil {
			return found, err
		}
	}
	return append(found, r.list...), nil
}

// appendTo appends those grants that apply at the scope.
func (e *evaluation) appendTo(found []*grant, g *grants) ([]*grant, error) {
	if g.index != nil {
		return e.appendFrom(found, g)
	}
	for _, one := range g.list {
		applies, err := e.reaches(one.base)
		if err != nil {
			return found, err
		}
		if applies {
			found = append(found, one)
		}
	}
	return found, nil
}

// appendFrom is appendTo for many grants, which it looks up by the scope and the scopes above it.
func (e *evaluation) appendFrom(found []*grant, g *grants) ([]*grant, error) {
	for up := e.scope; !up.IsRoot(); up = up.Parent() {
		found = g.index.appendAt(found, up.Key())
	}
	found = g.index.appendAt(found, "/")
	if !g.inGroups {
		return found, nil
	}
	err := e.findAbove()
	for _, group := range e.above {
		found = g.index.appendAt(found, group.Key())
	}
	return found, err
}

// reaches reports whether an assignment at a scope applies at the scope of the evaluation: it is the same scope, a
// part of it that ends before a slash, or a management group above it.
func (e *evaluation) reaches(base string) (bool, error) {
	if base == "/" || within(base, e.scope.Key()) {
		return true, nil
	}
	if !strings.HasPrefix(base, groupKeys) {
		return false, nil
	}
	err := e.findAbove()
	return slices.ContainsFunc(e.above, func(group arm.ID) bool { return group.Key() == base }), err
}

// groupKeys begins the keys of management groups.
const groupKeys = "/providers/microsoft.management/managementgroups/"

// findAbove finds the management groups above the scope.
func (e *evaluation) findAbove() (err error) {
	if e.aboveKnown || e.service.Above == nil {
		return nil
	}
	e.above, err = e.service.Above(e.tx, e.tenant, e.scope)
	e.aboveKnown = err == nil
	return err
}

// baseScope is the scope's key in a text of the form of scopeKey, without the tenant.
func baseScope(scope string) string {
	base, _, _ := strings.Cut(scope, "\x00")
	return base
}

// within reports whether a key is that of a scope or of one below it.
func within(scope, key string) bool {
	return strings.HasPrefix(key, scope) && (len(key) == len(scope) || key[len(scope)] == '/')
}
