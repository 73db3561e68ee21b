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

// Ending is resource.Config's: it takes the role of Global Administrator from the managed identities of
// a resource or a group that is about to be deleted, and refuses the deletion when a tenant would be
// left without one.
func (s *Service) Ending(tx store.Tx, rec resource.Record, id arm.ID) error {
	below := id.Key() + "/"
	err := s.Directory.RemoveAdministrators(tx, rec.TenantID, func(of arm.ID) bool {
		return of.Key() == id.Key() || strings.HasPrefix(of.Key(), below)
	})
	return errAdministrator(err)
}

// errAdministrator words what the directory refuses, as ARM words other conflicts.
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
