package rbac

import (
	"fmt"
	"unicode/utf8"

	"midas/internal/arm"
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
	deny, denied, err := s.denied(tx, a)
	if err != nil {
		return Decision{}, err
	}
	if denied {
		return Decision{Effect: Denied, Deny: deny}, nil
	}
	err = s.effective(tx, a.Caller, a.Scope, func(g grant) (more bool, err error) {
		allowed, err := s.allows(tx, a, g)
		if allowed {
			d = Decision{Effect: Allowed, Assignment: g.ref()}
		}
		return !allowed, err
	})
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

// allows reports whether a grant, which applies at the scope, allows the access.
func (s *Service) allows(tx store.Tx, a *Access, g grant) (bool, error) {
	r, err := s.role(tx, a.Caller.TenantID, g.definition)
	if err != nil || r == nil || !r.allows(a.Action, a.Data) {
		return false, err
	}
	return s.conditionHolds(tx, a, g)
}

// conditionHolds reports whether the condition of a grant, if it has one, is true for the access. Conditions
// are not evaluated yet, and a condition that cannot be evaluated grants nothing.
func (s *Service) conditionHolds(_ store.Tx, _ *Access, g grant) (bool, error) {
	return !g.conditional, nil
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
