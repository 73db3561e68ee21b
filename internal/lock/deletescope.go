package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// DeleteScope removes the locks at a scope that is being deleted, and below it. Locks that forbid the deletion are not
// among them, because Check has refused it. DeleteScope may be called again after a crash. It does nothing for a scope
// that is not being deleted: then another call has finished, and the scope has been created again.
func (s *Service) DeleteScope(ctx context.Context, scope arm.ID) error {
	var all set
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.set(tx, scope)
		return err
	})
	for more := err == nil && len(all) > 0; more && err == nil; {
		_, err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
			more, err = s.removeSome(tx, scope)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("remove the locks at %s: %w", scope, err)
	}
	return nil
}

// removeSome removes some locks at a scope and below it, and reports whether there may be more.
func (s *Service) removeSome(tx store.Tx, scope arm.ID) (more bool, err error) {
	var gone *arm.Error
	if err := s.Scope(tx, scope); !errors.As(err, &gone) {
		return false, err
	}
	all, err := s.set(tx, scope)
	if err != nil {
		return false, err
	}
	doomed := slices.Concat(all.at(scope.Key()), all.below(store.LockKind.Keys+scope.Key()+"/"))
	if len(doomed) == 0 {
		return false, nil
	}
	n := min(len(doomed), removedAtOne)
	for _, l := range doomed[:n] {
		tx.Delete(l.key)
	}
	return n < len(doomed), count(tx, scope, -n)
}
