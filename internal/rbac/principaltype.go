package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

var principalTypes = [...]string{"User", "Group", "ServicePrincipal", "ForeignGroup", "Device"}

// spelledType returns the type of a principal that a request gives, in the spelling of the API, or nothing if the
// request gives none. The error for a type that is not among those allowed is an *arm.Error, InvalidPrincipalType.
func spelledType(given string, allowed []string) (string, error) {
	if given == "" {
		return "", nil
	}
	i := slices.IndexFunc(allowed, func(t string) bool { return arm.SameName(t, given) })
	if i < 0 {
		return "", errInvalidPrincipalType(given)
	}
	return allowed[i], nil
}

// knownType returns the type of a principal in the directory. A principal that the directory does not have, perhaps
// because it is new, has no known type; then the request must give one. Errors of the client are *arm.Error:
// PrincipalNotFound, UnmatchedPrincipalType.
func (s *Service) knownType(ctx context.Context, tenant, principal, given string) (string, error) {
	known, err := s.Principals.PrincipalType(ctx, tenant, principal)
	switch {
	case errors.Is(err, store.ErrNotFound) && given != "":
		return "", nil
	case errors.Is(err, store.ErrNotFound):
		return "", errPrincipalNotFound(principal, tenant)
	case err != nil:
		return "", fmt.Errorf("find principal %s: %w", principal, err)
	case given != "" && given != known:
		return "", errUnmatchedType(principal, known, given)
	}
	return known, nil
}
