package hierarchy

import (
	"errors"

	"midas/internal/arm"
	"midas/internal/store"
)

// CheckScope returns an error if a scope does not exist or is being deleted. It reads the record of the scope, so
// that the transaction conflicts with a deletion of the scope. The root always passes.
func (s *Service) CheckScope(tx store.Tx, tenant string, scope arm.ID) error {
	if !IsGroup(scope) {
		return s.Resources.CheckScope(tx, scope)
	}
	g, err := load(tx, tenant, scope.Name())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrNotFound(scope.Name())
	case err == nil && g.State == Deleting:
		return errBeingDeleted(g.Name)
	}
	return err
}

// IsGroup reports whether an id is that of a management group.
func IsGroup(id arm.ID) bool { return id.TypeKey() == keyGroup && id.Parent().IsRoot() }
