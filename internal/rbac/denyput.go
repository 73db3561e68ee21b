package rbac

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// PutDenyAssignment creates the deny assignment d.Name at a scope, or replaces it. The event's tenant is its tenant, and
// the event's caller becomes CreatedBy or UpdatedBy. The type of a principal is looked up if it is empty.
//
// Errors of the client are *arm.Error: InvalidDenyAssignmentId, InvalidDenyAssignment, InvalidActionOrNotAction,
// InvalidDenyAssignmentCondition, PrincipalNotFound, UnmatchedPrincipalType, DenyAssignmentLimitExceeded (all 400),
// DenyAssignmentExists (409) for a display name that another one at the scope has or a GUID that one at another scope
// has, and the errors of Config.Scope.
func (s *Service) PutDenyAssignment(ctx context.Context, ev activity.Event, scope arm.ID, d DenyAssignment) (saved DenyAssignment, created bool, err error) {
	d.Scope, d.TenantID, d.Name = scope.String(), arm.Fold(ev.TenantID), arm.Fold(d.Name)
	if d, err = s.checkDeny(ctx, d); err != nil {
		return DenyAssignment{}, false, err
	}
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		saved, created, err = s.putDeny(tx, scope, d, ev.CallerObjectID)
		return saved, err
	})
	if err != nil {
		return DenyAssignment{}, false, err
	}
	return saved, created, nil
}

func (s *Service) putDeny(tx store.Tx, scope arm.ID, d DenyAssignment, by string) (DenyAssignment, bool, error) {
	if err := s.Scope(tx, d.TenantID, scope); err != nil {
		return DenyAssignment{}, false, err
	}
	set, err := s.denies(tx, d.TenantID)
	if err != nil {
		return DenyAssignment{}, false, err
	}
	if other := set.displayed(scope.Key(), d.DisplayName); other != nil && !arm.SameName(other.Name, d.Name) {
		return DenyAssignment{}, false, errDenyExists(d.DisplayName)
	}
	d.UpdatedOn, d.UpdatedBy = s.Now().UTC(), by
	d.CreatedOn, d.CreatedBy = d.UpdatedOn, by
	more := 1
	if old := set.named(d.Name); old != nil {
		if old.scope != scope.Key() {
			return DenyAssignment{}, false, errDenyElsewhere(d.Name)
		}
		more, d.Scope, d.CreatedOn, d.CreatedBy = 0, old.Scope, old.CreatedOn, old.CreatedBy
	}
	if err := countDenies(tx, d.TenantID, more); err != nil {
		return DenyAssignment{}, false, err
	}
	return d, more == 1, denyAssignments.Put(tx, denyKey(scopeKey(d.TenantID, scope), d.Name), d)
}

// DeleteDenyAssignment deletes a deny assignment and returns it; found is false if there was none.
func (s *Service) DeleteDenyAssignment(ctx context.Context, ev activity.Event, scope arm.ID, name string) (d DenyAssignment, found bool, err error) {
	if !arm.IsGUID(name) {
		return DenyAssignment{}, false, errDenyName(name)
	}
	key := denyKey(scopeKey(ev.TenantID, scope), name)
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		var err error
		d, err = denyAssignments.Get(tx, key)
		if found = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read deny assignment %s: %w", name, err)
		}
		tx.Delete(key)
		return d, countDenies(tx, d.TenantID, -1)
	})
	if err != nil {
		return DenyAssignment{}, false, err
	}
	return d, found, nil
}

// DenyAssignment returns one deny assignment. If there is none, the error is an *arm.Error, DenyAssignmentNotFound.
func (s *Service) DenyAssignment(ctx context.Context, tenant string, scope arm.ID, name string) (d DenyAssignment, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		d, err = denyAssignments.Get(tx, denyKey(scopeKey(tenant, scope), name))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return DenyAssignment{}, errDenyNotFound(name)
	}
	if err != nil {
		return DenyAssignment{}, fmt.Errorf("read deny assignment %s: %w", name, err)
	}
	return d, nil
}
