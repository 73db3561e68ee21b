package rbac

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// evaluation collects the role assignments of a caller that apply at a scope.
type evaluation struct {
	service *Service
	tx      store.Tx
	caller  *Caller
	scope   arm.ID
	found   []*grant

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
	e := evaluation{service: s, tx: tx, caller: caller, scope: scope, found: found}
	if err := e.add(g); err != nil {
		return nil, err
	}
	for _, principal := range g.large {
		if err := e.addLarge(principal); err != nil {
			return nil, err
		}
	}
	return e.found, nil
}

// addLarge adds the assignments of a principal that has many. It goes down from the root to the scope, and
// stops as soon as it has read all assignments below.
func (e *evaluation) addLarge(principal string) error {
	outside, err := e.addBranch(principal, "")
	if err == nil && outside.partial {
		err = e.addOutside(principal)
	}
	if err != nil || e.scope.Subscription() == "" {
		return err
	}
	var levels [maxLevels]string
	n := maxLevels
	for up := range e.scope.Ancestors() {
		if up.IsRoot() || n == 0 {
			break
		}
		n--
		levels[n] = up.Key()
	}
	for _, scope := range levels[n:] {
		if g, err := e.addBranch(principal, scope); err != nil || !g.partial {
			return err
		}
	}
	return nil
}

// maxLevels is more than the number of levels that an id can have.
const maxLevels = 40

func (e *evaluation) addBranch(principal, scope string) (*grants, error) {
	g, err := e.service.grantsIn(e.tx, e.caller.TenantID, principal, scope)
	if err == nil {
		err = e.add(g)
	}
	return g, err
}

// addOutside adds the assignments at the management groups above a scope, and at the scope and its ancestors
// outside of subscriptions, of a principal that has many assignments there.
func (e *evaluation) addOutside(principal string) error {
	if err := e.findAbove(); err != nil {
		return err
	}
	r := grantReader{service: e.service, tx: e.tx, tenant: arm.Fold(e.caller.TenantID)}
	read := func(scope arm.ID) error {
		_, err := r.read(indexPrefix(principal)+scopeKey(r.tenant, scope)+"\x00", 0)
		return err
	}
	for _, group := range e.above {
		if err := read(group); err != nil {
			return err
		}
	}
	for up := range e.scope.Ancestors() {
		if up.Subscription() != "" || up.IsRoot() { // the root is not in a partial branch's remainder
			continue
		}
		if err := read(up); err != nil {
			return err
		}
	}
	return e.add((&grants{}).with(r.list))
}

// add adds those grants that apply at the scope.
func (e *evaluation) add(g *grants) error {
	if g.at != nil {
		return e.lookUp(g)
	}
	for i := range g.list {
		applies, err := e.reaches(baseScope(g.list[i].scope))
		if err != nil {
			return err
		}
		if applies {
			e.found = append(e.found, &g.list[i])
		}
	}
	return nil
}

// lookUp is add for many grants, which are found by the scope and the scopes above it.
func (e *evaluation) lookUp(g *grants) error {
	for up := range e.scope.Ancestors() {
		e.found = append(e.found, g.at[up.Key()]...)
	}
	if !g.inGroups {
		return nil
	}
	if err := e.findAbove(); err != nil {
		return err
	}
	for _, group := range e.above {
		e.found = append(e.found, g.at[group.Key()]...)
	}
	return nil
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
	e.above, err = e.service.Above(e.tx, e.caller.TenantID, e.scope)
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
