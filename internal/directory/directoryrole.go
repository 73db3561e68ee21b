package directory

import (
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// The supported directory roles, by Entra's template ids, which are the same in every tenant.
const (
	GlobalAdministrator      = "62e90394-69f5-4237-9190-012177145e10"
	ApplicationAdministrator = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	CloudAppAdministrator    = "158c047a-c907-4556-b7ef-446551a6b5f7"
	PrivilegedRoleAdmin      = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	DirectoryReaders         = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	UserAdministrator        = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	PasswordAdministrator    = "966707d0-3269-4727-9be2-8c3a10f19b9d"
)

// DirectoryRole is a role in the directory. Package rbac has the roles for Azure resources.
type DirectoryRole struct {
	ID          string // template id; also the id of the role in each tenant
	DisplayName string
	Description string
}

// DirectoryRoles returns all directory roles.
func DirectoryRoles() []DirectoryRole {
	return []DirectoryRole{
		{GlobalAdministrator, "Global Administrator", "Can manage everything in the directory."},
		{ApplicationAdministrator, "Application Administrator", "Can manage applications and service principals."},
		{CloudAppAdministrator, "Cloud Application Administrator", "Can manage applications and service principals, and consent for all users."},
		{PrivilegedRoleAdmin, "Privileged Role Administrator", "Can manage directory roles, and consent for all users."},
		{UserAdministrator, "User Administrator", "Can manage users and groups, and reset passwords of users without privileges."},
		{PasswordAdministrator, "Password Administrator", "Can reset passwords of users without privileges."},
		{DirectoryReaders, "Directory Readers", "Can read the directory."},
	}
}

// AssignDirectoryRole assigns a directory role to a user or a service principal. It returns ErrNotFound,
// ErrInvalid for other kinds of objects, or ErrExists.
func (d *Directory) AssignDirectoryRole(tx store.Tx, tenant, role, principal string) error {
	known := slices.ContainsFunc(DirectoryRoles(), func(r DirectoryRole) bool { return arm.SameName(r.ID, role) })
	if !known {
		return fmt.Errorf("assign directory role %s: %w", role, ErrNotFound)
	}
	enabled, err := d.checkRoleMember(tx, tenant, principal)
	if err == nil {
		err = roleMembership.create(tx, tenant, role, principal)
	}
	if err == nil && enabled && arm.SameName(role, GlobalAdministrator) {
		err = d.changeAdministrators(tx, tenant, 1)
	}
	if err != nil {
		return fmt.Errorf("assign directory role %s to %s: %w", role, principal, err)
	}
	return nil
}

// checkRoleMember checks that an object can have directory roles, and reports whether it is enabled.
func (d *Directory) checkRoleMember(tx store.Tx, tenant, principal string) (enabled bool, err error) {
	p, err := d.ServicePrincipal(tx, tenant, principal)
	switch {
	case err == nil && p.FirstParty:
		return false, fmt.Errorf("%w: a service principal of Microsoft's cannot have directory roles", ErrInvalid)
	case err == nil:
		return p.Enabled, d.checkNotDeleting(tx, p)
	case !errors.Is(err, ErrNotFound):
		return false, err
	}
	u, err := d.User(tx, tenant, principal)
	if !errors.Is(err, ErrNotFound) {
		return u.Enabled, err
	}
	if _, err = d.ObjectType(tx, tenant, principal); err == nil {
		err = fmt.Errorf("%w: directory roles are for users and service principals", ErrInvalid)
	}
	return false, err
}

// RemoveDirectoryRole removes a directory role from a principal. It returns ErrNotFound or
// ErrLastAdministrator.
func (d *Directory) RemoveDirectoryRole(tx store.Tx, tenant, role, principal string) error {
	err := roleMembership.remove(tx, tenant, role, principal)
	if err == nil && arm.SameName(role, GlobalAdministrator) {
		var at TokenStatus
		switch at, err = d.TokenStatus(tx, tenant, principal); {
		case errors.Is(err, ErrNotFound):
			err = nil // an object that does not exist was not counted
		case err == nil && at.Enabled:
			err = d.changeAdministrators(tx, tenant, -1)
		}
	}
	if err != nil {
		return fmt.Errorf("remove directory role %s of %s: %w", role, principal, err)
	}
	return nil
}

// DirectoryRoles gives the template ids of the directory roles that a principal has.
func (d *Directory) DirectoryRoles(tx store.Tx, tenant, principal string) ([]string, error) {
	return roleMembership.containers(tx, tenant, principal, 0)
}

// DirectoryRoleMembers returns the object ids of at most limit members of a directory role after the given
// one. Some may no longer exist.
func (d *Directory) DirectoryRoleMembers(tx store.Tx, tenant, role, after string, limit int) ([]string, error) {
	return roleMembership.members(tx, tenant, role, after, limit)
}

// MayConsentForAllUsers reports whether a user with these directory roles may consent to delegated
// permissions on behalf of all users, including those that need an administrator.
func MayConsentForAllUsers(roles []string) bool {
	return hasRole(roles, GlobalAdministrator, PrivilegedRoleAdmin, ApplicationAdministrator, CloudAppAdministrator)
}

// MayConsentToGraphRoles reports whether a user with these directory roles may assign app roles of
// Microsoft Graph to applications. Application Administrators may not.
func MayConsentToGraphRoles(roles []string) bool {
	return hasRole(roles, GlobalAdministrator, PrivilegedRoleAdmin)
}

// IsGlobalAdministrator reports whether Global Administrator is among directory roles.
func IsGlobalAdministrator(roles []string) bool { return hasRole(roles, GlobalAdministrator) }

func hasRole(roles []string, any ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool {
		return slices.ContainsFunc(any, func(one string) bool { return arm.SameName(one, role) })
	})
}
