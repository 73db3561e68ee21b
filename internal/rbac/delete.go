package rbac

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// DeleteAssignment deletes an assignment and returns it; found is false if there was none. The assignment of
// the last Owner of a subscription is not deleted: the error is an *arm.Error,
// CannotDeleteLastRbacAdminAssignment (412).
func (s *Service) DeleteAssignment(ctx context.Context, ev activity.Event, scope arm.ID, name string) (a Assignment, found bool, err error) {
	return s.DeleteAssignmentBy(ctx, nil, ev, scope, name)
}

// DeleteAssignmentBy is DeleteAssignment for a caller, whom it refuses with AuthorizationFailed (403). The caller's right is
// decided in the transaction of the deletion. A nil caller is Midas itself.
func (s *Service) DeleteAssignmentBy(ctx context.Context, caller *Caller, ev activity.Event, scope arm.ID, name string) (a Assignment, found bool, err error) {
	if !arm.IsGUID(name) {
		return Assignment{}, false, errInvalidName(name)
	}
	key := scopeKey(ev.TenantID, scope)
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		var err error
		a, err = load(tx, rowKey(key, name))
		if found = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read role assignment %s: %w", name, err)
		}
		if err := s.authorizeDelete(tx, caller, &a); err != nil {
			return nil, err
		}
		less := tally{Assignments: -1}
		if a.isOwner(scope) {
			less.Owners = -1
		}
		if err := count(tx, ev.TenantID, scope, less); err != nil {
			return nil, err
		}
		if err := a.dropUse(tx, key); err != nil {
			return nil, err
		}
		a.remove(tx, key)
		return a, nil
	})
	if err != nil {
		return Assignment{}, false, err
	}
	return a, found, nil
}

// removeBatch is the number of assignments that one transaction of DeleteScope removes. Their three keys each, the
// index entry and the count record of a custom role each, the count record of the subscription and the records
// that Config.Scope reads are fewer than store.MaxOperations.
const removeBatch = 20

// DeleteScope removes all assignments and deny assignments at a scope that is being deleted, and below it. It uses many small
// transactions; if it is interrupted, the next call removes the rest. It does nothing for a scope that is not
// being deleted: then another call has finished, and the scope has been created again.
func (s *Service) DeleteScope(ctx context.Context, scope arm.ID) error {
	if scope.Subscription() == "" {
		return fmt.Errorf("remove role assignments at %s: only scopes within a subscription can be deleted", scope)
	}
	if err := s.deleteDenies(ctx, "", scope, scope.Key()+"\x00", scope.Key()+"/"); err != nil {
		return err
	}
	return s.deleteAt(ctx, "", scope, scope.Key()+"\x00", scope.Key()+"/")
}

// DeleteManagementGroup removes all assignments and deny assignments at a management group that is being deleted. Otherwise it is like
// DeleteScope.
func (s *Service) DeleteManagementGroup(ctx context.Context, tenant string, group arm.ID) error {
	if err := s.deleteDenies(ctx, tenant, group, scopeKey(tenant, group)+"\x00"); err != nil {
		return err
	}
	return s.deleteAt(ctx, tenant, group, scopeKey(tenant, group)+"\x00")
}

// deleteAt removes the assignments whose keys begin with one of some prefixes.
func (s *Service) deleteAt(ctx context.Context, tenant string, scope arm.ID, prefixes ...string) error {
	for _, prefix := range prefixes {
		for more := true; more; {
			_, err := s.Store.Update(ctx, func(tx store.Tx) error {
				var err error
				more, err = s.deleteSome(tx, tenant, scope, store.AssignmentKind.Keys+prefix)
				return err
			})
			if err != nil {
				return fmt.Errorf("remove role assignments at %s: %w", scope, err)
			}
		}
	}
	return nil
}

// deleteSome is one transaction of DeleteScope. Config.Scope guards that the scope is being deleted.
func (s *Service) deleteSome(tx store.Tx, tenant string, scope arm.ID, prefix string) (more bool, err error) {
	var gone *arm.Error
	if err := s.Scope(tx, tenant, scope); !errors.As(err, &gone) {
		return false, err
	}
	n, err := removeSome(tx, tenant, scope, prefix)
	return n == removeBatch, err
}

// removeSome removes up to removeBatch assignments whose keys begin with a prefix. It gets each assignment
// again, because a scan guards nothing: a concurrent change of the role would leave an index entry without an
// assignment.
func removeSome(tx store.Tx, tenant string, scope arm.ID, prefix string) (n int, err error) {
	var keys []string
	for rec, err := range tx.Scan(store.Range{Prefix: prefix, Limit: removeBatch}) {
		if err != nil {
			return 0, err
		}
		keys = append(keys, rec.Key)
	}
	total, err := loadTally(tx, tenant, scope)
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	for _, key := range keys {
		a, err := load(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		at, err := arm.ParseID(a.Scope)
		if err != nil {
			return 0, fmt.Errorf("role assignment %s: %w", a.Name, err)
		}
		if a.isOwner(at) {
			total.Owners--
		}
		total.Assignments--
		key := scopeKey(a.TenantID, at)
		if err := a.dropUse(tx, key); err != nil {
			return 0, err
		}
		a.remove(tx, key)
	}
	return len(keys), total.save(tx, tenant, scope)
}
