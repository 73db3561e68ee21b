package identity

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

// Ending implements the Ending of resource.Config. It removes the role of Global Administrator from the managed
// identities of a resource or a group before a deletion, and refuses the deletion if the tenant would have no
// Global Administrator.
func (s *Service) Ending(tx store.Tx, rec resource.Record, id arm.ID) error {
	below := id.Key() + "/"
	err := s.Directory.RemoveAdministrators(tx, rec.TenantID, func(of arm.ID) bool {
		return of.Key() == id.Key() || strings.HasPrefix(of.Key(), below)
	})
	return errAdministrator(err)
}

// errAdministrator maps refusals of the directory to errors of ARM.
func errAdministrator(err error) error {
	switch {
	case errors.Is(err, directory.ErrLastAdministrator):
		return arm.Errorf(http.StatusConflict, "CannotDeleteLastGlobalAdministrator",
			"The last enabled Global Administrator of the tenant is a managed identity that would be deleted. Give the role to another principal first.")
	case errors.Is(err, directory.ErrInvalid):
		return arm.Errorf(http.StatusConflict, "TooManyGlobalAdministrators",
			"Too many managed identities that would be deleted are Global Administrators of the tenant. Take the role from them first.")
	}
	return err
}

// errTooManyRevocations maps the refusal to create a principal to an error of ARM.
func errTooManyRevocations(err error) error {
	if errors.Is(err, directory.ErrTooManyRevocations) {
		return arm.Errorf(http.StatusTooManyRequests, "TooManyRequests",
			"Too many identities were deleted or revoked lately. No identity can be created until their tokens have expired.")
	}
	return err
}
