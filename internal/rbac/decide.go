package rbac

import (
	"fmt"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// Decide answers an access. All its reads go through tx, so they see one revision of the store. A deny
// assignment that denies the action decides; otherwise the first role assignment that allows it. Only
// assignments of the caller's tenant are considered. The code that calls Decide must have checked that the
// scope's subscription belongs to that tenant; it needs this check anyway, to refuse tokens of other tenants.
//
// An assignment whose records cannot be understood allows nothing. A read that fails is an error.
func (s *Service) Decide(tx store.Tx, a Access) (Decision, error) {
	d, err := s.decide(tx, &a)
	if err != nil {
		return Decision{}, fmt.Errorf("authorize %s for %s: %w", a.Action, a.Caller.ObjectID, err)
	}
	return d, nil
}

func (s *Service) decide(tx store.Tx, a *Access) (d Decision, err error) {
	if !isASCII(a.Action) {
		return Decision{}, nil
	}
	var few [8]*grant
	found, denies, err := s.applicable(tx, &a.Caller, a.Scope, few[:0])
	if err != nil {
		return Decision{}, err
	}
	return s.decideBy(tx, found, denies, a)
}

// applicable appends to found the role assignments that apply to a caller at a scope, and returns them with the deny
// assignments of the tenant, which are nil if it has none.
func (s *Service) applicable(tx store.Tx, caller *Caller, scope arm.ID, found []*grant) ([]*grant, *denySet, error) {
	g, err := s.grantsOf(tx, caller)
	if err != nil {
		return nil, nil, err
	}
	if found, err = s.reaching(tx, g, scope, found); err != nil || g.denyKey == "" {
		return found, nil, err
	}
	denies, err := s.deniesAt(tx, caller.TenantID, g.denyKey)
	return found, denies, err
}

// decideBy answers an access by the role assignments that apply at its scope and the deny assignments of its tenant.
func (s *Service) decideBy(tx store.Tx, found []*grant, denies *denySet, a *Access) (d Decision, err error) {
	for _, g := range found {
		if more := s.weigh(&d, a, g); !more {
			break
		}
	}
	if err := s.deny(tx, denies, a, &d); err != nil {
		return Decision{}, err
	}
	return d, nil
}

// weigh adds to a decision what a grant that applies at the scope allows. It returns false if no other grant can
// change the decision.
func (s *Service) weigh(d *Decision, a *Access, g *grant) (more bool) {
	if g.role == nil || !g.role.allows(a.Action, a.Data) {
		return true
	}
	if !g.conditional && !g.role.conditional {
		*d = Decision{Effect: Allowed, Assignment: g.ref()}
		return false
	}
	switch outcome := g.outcome(a.query(s.Now())); {
	case outcome == condition.True:
		*d = Decision{Effect: Allowed, Assignment: g.ref()}
		return false
	case outcome == condition.CannotEvaluate && a.Undecided && d.Effect != Allowed:
		d.Effect, d.Assignment = Allowed, g.ref()
	}
	d.Conditional = true
	return true
}

// Authorize reports whether the caller may perform an action, such as
// microsoft.managedidentity/userassignedidentities/read, at a scope. It is Decide for an action of the control
// plane, without attributes. The action is folded.
func (s *Service) Authorize(tx store.Tx, caller Caller, action string, scope arm.ID) (bool, error) {
	d, err := s.Decide(tx, Access{Caller: caller, Action: action, Scope: scope})
	return d.Effect == Allowed, err
}

// isASCII reports whether an action is ASCII. All actions are; a star must not match other text.
func isASCII(action string) bool {
	for i := range len(action) {
		if action[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
