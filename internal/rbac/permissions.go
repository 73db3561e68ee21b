package rbac

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// HeldPermission is a permission that a principal has by a role assignment.
type HeldPermission struct {
	Permission

	// Condition limits the permission beside the permission's own condition: it is that of the role assignment. It
	// is empty if there is none.
	Condition, ConditionVersion string
}

// Permissions returns the permissions of the caller's roles at a scope, those of each assignment apart. Deny
// assignments are not considered.
func (s *Service) Permissions(ctx context.Context, caller Caller, scope arm.ID) ([]HeldPermission, error) {
	var all []HeldPermission
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		found, err := s.effective(tx, &caller, scope, nil)
		for _, g := range found {
			if err == nil && g.role != nil {
				all, err = g.appendHeld(tx, all)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the permissions of %s: %w", caller.ObjectID, err)
	}
	return all, nil
}

// appendHeld appends the permissions of a grant.
func (g *grant) appendHeld(tx store.Tx, all []HeldPermission) ([]HeldPermission, error) {
	var held HeldPermission
	if g.conditional {
		a, err := load(tx, rowKey(g.scope, g.name))
		if errors.Is(err, store.ErrNotFound) {
			return all, nil
		}
		if err != nil || a.Condition == nil {
			return all, err
		}
		if held.Condition = *a.Condition; a.ConditionVersion != nil {
			held.ConditionVersion = *a.ConditionVersion
		}
	}
	for _, p := range g.role.Permissions {
		held.Permission = p
		all = append(all, held)
	}
	return all, nil
}
