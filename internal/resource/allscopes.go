package resource

import (
	"context"

	"midas/internal/arm"
)

// AllScopes are several Scopes, one for each kind of record that exists at scopes.
type AllScopes []Scopes

// DeleteScope calls each, and returns the first error.
func (all AllScopes) DeleteScope(ctx context.Context, scope arm.ID) error {
	for _, s := range all {
		if err := s.DeleteScope(ctx, scope); err != nil {
			return err
		}
	}
	return nil
}
