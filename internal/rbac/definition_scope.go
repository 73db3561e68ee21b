package rbac

import (
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// assignable reports whether a role can be assigned at a scope: one of its assignable scopes is the scope, or
// an ancestor of it. Built-in roles can be assigned everywhere.
func (s *Service) assignable(tx store.Tx, d Definition, scope arm.ID) (bool, error) {
	if !d.IsCustom() {
		return true, nil
	}
	lineage, err := s.lineage(tx, d.TenantID, scope)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(d.AssignableScopes, func(text string) bool { return lineage[arm.Fold(text)] }), nil
}

// lineage returns the keys of a scope, its ancestors, and the management groups above them.
func (s *Service) lineage(tx store.Tx, tenant string, scope arm.ID) (map[string]bool, error) {
	keys := make(map[string]bool)
	for up := range scope.Ancestors() {
		keys[up.Key()] = true
	}
	if s.Above == nil || scope.IsRoot() {
		return keys, nil
	}
	above, err := s.Above(tx, tenant, scope)
	if err != nil {
		return nil, fmt.Errorf("find the management groups above %s: %w", scope, err)
	}
	for _, group := range above {
		keys[group.Key()] = true
	}
	return keys, nil
}
