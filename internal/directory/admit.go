package directory

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// Why no token is made for a resource that the tenant knows; errors.Is tells them apart.
var (
	// ErrResourceDisabled says that the service principal of the resource is disabled.
	ErrResourceDisabled = errors.New("directory: the service principal of the resource is disabled")
	// ErrNotAssigned says that an application requires that those who use it are assigned to it, and that
	// the principal is not.
	ErrNotAssigned = errors.New("directory: the principal is not assigned to the application")
)

// Admit gives ErrResourceDisabled or ErrNotAssigned where a user or a service principal gets no tokens for
// a resource. It reads nothing where the resource does not require assignments.
func (d *Directory) Admit(tx store.Tx, resource ServicePrincipal, principal string) error {
	if !resource.Enabled {
		return fmt.Errorf("%w: %s", ErrResourceDisabled, resource.AppID)
	}
	return d.Assigned(tx, resource, principal)
}

// Assigned gives ErrNotAssigned where an application requires assignments and the principal has none: it
// has none of the application's app roles itself, the default one among them, nor has a group whose direct
// member it is. As in Entra, members of groups in such a group are not assigned. The empty ServicePrincipal,
// which Microsoft's own clients have, requires nothing.
func (d *Directory) Assigned(tx store.Tx, app ServicePrincipal, principal string) error {
	if !app.AssignmentRequired {
		return nil
	}
	groups, err := d.MemberOf(tx, app.TenantID, principal)
	if err != nil {
		return fmt.Errorf("groups of %s: %w", principal, err)
	}
	for _, id := range append([]string{principal}, groups...) {
		assigned, err := d.isAssigned(tx, app, id)
		if assigned || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s to %s", ErrNotAssigned, principal, app.AppID)
}

// isAssigned looks through all assignments of a user, a group or a service principal, however many.
func (d *Directory) isAssigned(tx store.Tx, app ServicePrincipal, principal string) (bool, error) {
	for after := ""; ; {
		all, err := list(tx, &appRoles, appRoleKey(app.TenantID, principal, ""), after, maxAppRoles)
		if err != nil {
			return false, err
		}
		for _, a := range all {
			if arm.SameName(a.ResourceID, app.ID) {
				return true, nil
			}
		}
		if len(all) < maxAppRoles {
			return false, nil
		}
		after = all[len(all)-1].ID
	}
}
