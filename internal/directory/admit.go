package directory

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// The reasons for which a principal gets no token for a resource of the tenant. Use errors.Is to distinguish them.
var (
	// ErrResourceDisabled says that the service principal of the resource is disabled.
	ErrResourceDisabled = errors.New("directory: the service principal of the resource is disabled")
	// ErrNotAssigned says that an application requires an assignment and that the principal has none.
	ErrNotAssigned = errors.New("directory: the principal is not assigned to the application")
)

// Admit returns ErrResourceDisabled or ErrNotAssigned if a user or a service principal gets no tokens for a
// resource. It reads nothing if the resource does not require assignments.
func (d *Directory) Admit(tx store.Tx, resource ServicePrincipal, principal string) error {
	if !resource.Enabled {
		return fmt.Errorf("%w: %s", ErrResourceDisabled, resource.AppID)
	}
	return d.Assigned(tx, resource, principal)
}

// Assigned returns ErrNotAssigned if an application requires assignments and the principal has none. An
// assignment gives an app role of the application, or the default one, to the principal or to a group of which
// the principal is a direct member. As in Entra, nested membership is not enough. The empty ServicePrincipal,
// which is that of Microsoft's own clients, requires no assignment.
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

// isAssigned reads all assignments of a user, a group or a service principal, without a limit.
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
