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
		found, err := s.effective(tx, &caller, scope, nil)
		for _, g := range found {
			if g.role != nil && !g.conditional {
				all = append(all, g.role.Permissions...)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the permissions of %s: %w", caller.ObjectID, err)
	}
	return all, nil
}
