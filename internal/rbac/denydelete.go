package rbac

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// deleteDenies removes the deny assignments at a scope that is being deleted, and below it. The tenant is that of a
// management group; for scopes within a subscription it is empty. It may be called again after a crash.
func (s *Service) deleteDenies(ctx context.Context, tenant string, scope arm.ID, prefixes ...string) error {
	for _, prefix := range prefixes {
		for more := true; more; {
			keys, err := s.someDenies(ctx, store.DenyAssignmentKind.Keys+prefix)
			if err != nil {
				return err
			}
			if more = len(keys) == removeBatch; len(keys) == 0 {
				break
			}
			if _, err := s.Store.Update(ctx, func(tx store.Tx) error { return s.removeDenies(tx, tenant, scope, keys) }); err != nil {
				return fmt.Errorf("remove deny assignments at %s: %w", scope, err)
			}
		}
	}
	return nil
}

// someDenies returns the keys of some deny assignments that begin with a prefix.
func (s *Service) someDenies(ctx context.Context, prefix string) (keys []string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		keys = keys[:0]
		for rec, err := range tx.Scan(store.Range{Prefix: prefix, Limit: removeBatch}) {
			if err != nil {
				return err
			}
			keys = append(keys, strings.Clone(rec.Key))
		}
		return nil
	})
	return keys, err
}

// removeDenies removes deny assignments, unless their scope is not being deleted any more.
func (s *Service) removeDenies(tx store.Tx, tenant string, scope arm.ID, keys []string) error {
	var gone *arm.Error
	if err := s.Scope(tx, tenant, scope); !errors.As(err, &gone) {
		return err
	}
	removed := map[string]int{} // by tenant
	for _, key := range keys {
		d, err := denyAssignments.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		tx.Delete(key)
		removed[d.TenantID]++
	}
	for tenant, n := range removed {
		if err := countDenies(tx, tenant, -n); err != nil {
			return err
		}
	}
	return nil
}
