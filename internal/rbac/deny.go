package rbac

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// ownActions begins the actions on deny assignments, folded.
const ownActions = "microsoft.authorization/denyassignments/"

// mayNotBeDenied reports whether no deny assignment can deny an access. Deny assignments never deny to read, write and
// delete deny assignments, so whoever has a role with these actions can always remove one: nobody can be locked out
// for ever. Azure refuses to create a deny assignment that names these actions; one with a star has them too.
func mayNotBeDenied(a *Access) bool { return !a.Data && strings.HasPrefix(a.Action, ownActions) }

// denied reports whether a deny assignment denies an access.
func (s *Service) denied(tx store.Tx, a *Access) (bool, error) {
	set, err := s.denies(tx, a.Caller.TenantID)
	if err != nil {
		return false, err
	}
	d, err := s.denying(tx, set, a, Enforced)
	return d != nil, err
}

// hasDenies reports whether a tenant has deny assignments.
func (s *Service) hasDenies(tx store.Tx, tenant string) (bool, error) {
	_, err := tx.Get(denyCountKey(tenant))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for deny assignments of tenant %s: %w", tenant, err)
	}
	return true, nil
}

// MayBeDenied reports whether an enforced deny assignment at any scope denies actions to a caller.
func (s *Service) MayBeDenied(tx store.Tx, caller *Caller) (bool, error) {
	set, err := s.denies(tx, caller.TenantID)
	if err != nil || set == nil {
		return false, err
	}
	return slices.ContainsFunc(set.all, func(d *deny) bool {
		return d.Effect == Enforced && d.concerns(caller) && slices.ContainsFunc(d.Permissions, func(p DenyPermission) bool { return len(p.Actions) > 0 })
	}), nil
}

// deny adds to a decision the deny assignment that denies the access, and one with the effect Audit that would deny
// it. It keeps the role assignment that would allow it. The set is that of the caller's tenant.
func (s *Service) deny(tx store.Tx, set *denySet, a *Access, d *Decision) error {
	if set == nil {
		return nil
	}
	enforced, err := s.denying(tx, set, a, Enforced)
	if err != nil {
		return err
	}
	if enforced != nil {
		d.Effect, d.Deny = Denied, enforced.ref()
	}
	if !set.audited {
		return nil
	}
	audit, err := s.denying(tx, set, a, Audit)
	if audit != nil {
		d.Audit = audit.ref()
	}
	return err
}

// DenyAssignmentOf returns the deny assignment of a decision.
func (s *Service) DenyAssignmentOf(tx store.Tx, tenant string, ref Ref) (DenyAssignment, error) {
	set, err := s.denies(tx, tenant)
	if err != nil {
		return DenyAssignment{}, err
	}
	d := set.named(ref.Name)
	if d == nil {
		return DenyAssignment{}, fmt.Errorf("deny assignment %s: %w", ref.Name, store.ErrNotFound)
	}
	return d.DenyAssignment, nil
}

// DenyingBelow returns a deny assignment below a scope that denies the caller to delete the scope at which it stands.
// Whoever deletes a scope deletes everything below it, so such a caller may not delete the outer scope either. The
// Access is the deletion that is denied; its Scope is the root if none is.
func (s *Service) DenyingBelow(tx store.Tx, caller Caller, scope arm.ID) (a Access, ref Ref, err error) {
	set, err := s.denies(tx, caller.TenantID)
	if err != nil {
		return Access{}, Ref{}, err
	}
	for _, d := range set.below(scope) {
		at, err := arm.ParseID(d.Scope)
		if err != nil {
			return Access{}, Ref{}, fmt.Errorf("deny assignment %s: %w", d.Name, err)
		}
		a := Access{Caller: caller, Action: arm.Fold(string(at.Type())) + "/delete", Scope: at}
		if d.Effect == Enforced && !mayNotBeDenied(&a) && d.denies(s, &a) {
			return a, d.ref(), nil
		}
	}
	return Access{}, Ref{}, nil
}

// ErrDenied is the error for an access that a deny assignment denies to a caller whose roles allow it. A caller without
// such a role gets ErrAuthorizationFailed, and does not learn of the deny assignment.
func (s *Service) ErrDenied(tx store.Tx, caller Caller, action string, scope arm.ID, ref Ref) (*arm.Error, error) {
	d, err := s.DenyAssignmentOf(tx, caller.TenantID, ref)
	if err != nil {
		return nil, err
	}
	return errDenied(caller, action, scope, &d), nil
}
