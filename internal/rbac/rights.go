package rbac

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// Rights decide accesses of one caller at one scope, in one transaction. The assignments that apply there are found
// once, so that many decisions take hardly longer than one.
type Rights struct {
	service *Service
	tx      store.Tx
	caller  Caller
	scope   arm.ID
	found   []*grant
	denies  *denySet // of the tenant; nil if it has none
}

// RightsAt returns the rights of a caller at a scope. They are valid until the transaction ends.
func (s *Service) RightsAt(tx store.Tx, caller Caller, scope arm.ID) (*Rights, error) {
	r := &Rights{service: s, tx: tx, caller: caller, scope: scope}
	var err error
	if r.found, r.denies, err = s.applicable(tx, &r.caller, scope, nil); err != nil {
		return nil, fmt.Errorf("find the rights of %s: %w", caller.ObjectID, err)
	}
	return r, nil
}

// Decide is Service.Decide for an access by the caller at the scope, whatever caller and scope the access names.
func (r *Rights) Decide(a Access) (d Decision, err error) {
	if !isASCII(a.Action) {
		return Decision{}, nil
	}
	a.Caller, a.Scope = r.caller, r.scope
	if d, err = r.service.decideBy(r.tx, r.found, r.denies, &a); err != nil {
		return Decision{}, fmt.Errorf("authorize %s for %s: %w", a.Action, r.caller.ObjectID, err)
	}
	return d, nil
}
