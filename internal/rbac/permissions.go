package rbac

import (
	"context"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// Permissions returns the permissions of the caller's roles at a scope, those of each assignment apart. A role
// whose assignment has a condition is left out.
func (s *Service) Permissions(ctx context.Context, caller Caller, scope arm.ID) ([]Permission, error) {
	var all []Permission
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		return s.effective(tx, caller, scope, func(g grant) (bool, error) {
			r, err := s.role(tx, caller.TenantID, g.definition)
			if err == nil && r != nil && !g.conditional {
				all = append(all, r.Permissions...)
			}
			return true, err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the permissions of %s: %w", caller.ObjectID, err)
	}
	return all, nil
}
