package rbac

import (
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// Extent says at which of the resources below a scope a caller may perform an action.
type Extent int

// The extents.
const (
	Nowhere    Extent = iota // nothing at or below the scope is known to be allowed
	Somewhere                // each resource needs a decision of its own
	Everywhere               // at the scope and at everything below it
)

// Extent returns the extent of an access at its scope and below. A list asks for it once, and decides about each
// of its entries only if the answer is Somewhere: because the caller has a role below the scope, because the role
// that allows the action has a condition, or because the tenant has deny assignments.
func (s *Service) Extent(tx store.Tx, a Access) (Extent, error) {
	extent, err := s.extent(tx, &a)
	if err != nil {
		return Nowhere, fmt.Errorf("authorize %s below %s for %s: %w", a.Action, a.Scope, a.Caller.ObjectID, err)
	}
	return extent, nil
}

func (s *Service) extent(tx store.Tx, a *Access) (extent Extent, err error) {
	if !isASCII(a.Action) {
		return Nowhere, nil
	}
	found, err := s.effective(tx, &a.Caller, a.Scope, nil)
	for _, g := range found {
		switch {
		case extent == Everywhere || g.role == nil || !g.role.allows(a.Action, a.Data):
		case g.conditional || g.role.conditional:
			extent = Somewhere
		default:
			extent = Everywhere
		}
	}
	if err != nil || extent == Somewhere {
		return extent, err
	}
	if extent == Everywhere {
		return s.unlessDenied(tx, a)
	}
	below, err := s.hasRoleBelow(tx, &a.Caller, a.Scope)
	if below {
		extent = Somewhere
	}
	return extent, err
}

// unlessDenied returns Everywhere, or less if a deny assignment may deny the access at the scope or below.
func (s *Service) unlessDenied(tx store.Tx, a *Access) (Extent, error) {
	set, err := s.denies(tx, a.Caller.TenantID)
	if err != nil || set == nil {
		return Everywhere, err
	}
	d, err := s.denying(tx, set, a, Enforced)
	switch {
	case err != nil:
		return Nowhere, err
	case d != nil && !d.DoNotApplyToChildScopes && !d.isConditional():
		return Nowhere, nil
	case d != nil || slices.ContainsFunc(set.all, func(d *deny) bool { return d.Effect == Enforced && d.mayDeny(a) }):
		return Somewhere, nil // each entry is decided by itself
	}
	return Everywhere, nil
}

// hasRoleBelow reports whether the caller has a role below a scope.
func (s *Service) hasRoleBelow(tx store.Tx, caller *Caller, scope arm.ID) (found bool, err error) {
	err = s.grantsBelow(tx, caller, scope, func(g *grant) (more bool) {
		found = g.role != nil
		return !found
	})
	return found, err
}
