package graph

import (
	"errors"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// privilege is a set of rights in the directory, one bit each.
type privilege uint16

const (
	readUsers privilege = 1 << iota
	readGroups
	readApplications // also service principals and app role assignments
	readRoles        // directory roles and their members
	writeUsers       // all properties except passwords
	writeGroups
	writeApplications
	createApplications // and their service principals; writeApplications includes it
	writePasswords     // of existing users
	assignAppRoles     // of all resources except Microsoft Graph
	assignGraphRoles   // of Microsoft Graph, whose app roles are privileges in this API
	manageRoles        // directory roles
	grantPermissions   // delegated permission grants
	administer         // only Global Administrators

	readAll    = readUsers | readGroups | readApplications | readRoles
	everything = administer<<1 - 1

	// selfOnly is a privilege that no caller has. Operations that need it are possible only through
	// Operation.Self.
	selfOnly privilege = 1 << 15
)

// directoryRolePrivileges returns the privileges of a directory role.
func directoryRolePrivileges(role string) privilege {
	switch arm.Fold(role) {
	case directory.GlobalAdministrator:
		return everything
	case directory.ApplicationAdministrator, directory.CloudAppAdministrator:
		return readAll | writeApplications | assignAppRoles | grantPermissions
	case directory.PrivilegedRoleAdmin:
		return readAll | assignAppRoles | assignGraphRoles | manageRoles | grantPermissions
	case directory.UserAdministrator:
		return readAll | writeUsers | writeGroups | writePasswords
	case directory.PasswordAdministrator:
		return readAll | writePasswords
	case directory.DirectoryReaders:
		return readAll
	}
	return 0
}

// appRolePrivileges returns the privileges of an app role of Microsoft Graph, and of the delegated
// permission of the same name.
func appRolePrivileges(role string) privilege {
	switch role {
	case directory.RoleApplicationReadAll:
		return readApplications
	case directory.RoleApplicationReadWriteAll:
		return readApplications | writeApplications
	case directory.RoleApplicationReadWriteOwnedBy:
		return readApplications | createApplications
	case directory.RoleDirectoryReadAll:
		return readAll
	case directory.RoleDirectoryReadWriteAll:
		return readAll | writeUsers | writeGroups | writeApplications
	case directory.RoleUserReadAll:
		return readUsers
	case directory.RoleUserReadWriteAll:
		return readUsers | writeUsers
	case directory.RolePasswordProfileReadWriteAll:
		return writePasswords
	case directory.RoleGroupReadAll, directory.RoleGroupMemberReadAll:
		return readGroups
	case directory.RoleGroupReadWriteAll:
		return readGroups | writeGroups
	case directory.RoleAppRoleAssignmentReadWriteAll:
		return readApplications | assignAppRoles | assignGraphRoles
	case directory.RoleDelegatedPermissionGrantReadWriteAll:
		return grantPermissions
	case directory.RoleRoleManagementReadWrite:
		return readRoles | manageRoles
	}
	return 0
}

// privilegesOfUser returns a user's privileges: to read the directory, as members may in Entra, and those
// of the user's directory roles.
func privilegesOfUser(directoryRoles []string) privilege {
	may := readAll
	for _, role := range directoryRoles {
		may |= directoryRolePrivileges(role)
	}
	return may
}

// privilegesOfPrincipal returns a service principal's privileges: those of its directory roles and of its
// app roles of Microsoft Graph.
func privilegesOfPrincipal(directoryRoles, appRoles []string) (may privilege) {
	for _, role := range directoryRoles {
		may |= directoryRolePrivileges(role)
	}
	for _, role := range appRoles {
		may |= appRolePrivileges(role)
	}
	return may
}

// authorize decides whether a caller may run an operation on an object, which need not exist.
func (h *Handler) authorize(tx store.Tx, c caller, op *Operation, t target) error {
	needs := op.Needs
	if op.ByKind && t.kind != "" {
		needs = readPrivilege(t.kind)
	}
	allowed := needs == 0 && c.client.covers(0) || c.may&needs != 0
	if !allowed && op.Self && t.id != "" {
		allowed = arm.SameName(t.id, c.id) && c.client.coversSelf(needs)
	}
	if !allowed && op.Proof && t.principal != "" && !c.user {
		allowed = arm.SameName(t.principal, c.id)
	}
	if !allowed && op.Owner && t.id != "" && c.client.covers(needs) {
		owns, err := h.Directory.Owns(tx, c.tenant, c.id, t.id)
		if err != nil {
			return err
		}
		allowed = owns
	}
	if allowed && op.Guard && !c.admins() && !arm.SameName(t.principal, c.id) {
		powerful, err := h.isPrivileged(tx, c.tenant, t.principal)
		if err != nil {
			return err
		}
		allowed = !powerful
	}
	if !allowed {
		return errDenied()
	}
	return nil
}

// isPrivileged reports whether only Global Administrators may take control of a principal: it has a
// directory role, an app role of Microsoft Graph, or, itself or through groups, the right to create Azure
// role assignments.
func (h *Handler) isPrivileged(tx store.Tx, tenant, principal string) (bool, error) {
	if principal == "" {
		return false, nil
	}
	roles, err := h.Directory.DirectoryRoles(tx, tenant, principal)
	if err != nil || len(roles) > 0 {
		return true, err
	}
	has, err := h.Directory.HasGraphRole(tx, tenant, principal)
	if err != nil || has {
		return true, err
	}
	groups, err := h.Directory.TransitiveMemberOf(tx, tenant, principal)
	if errors.Is(err, directory.ErrTooManyGroups) {
		return true, nil // a group that was not read may be privileged
	}
	if err != nil {
		return true, err
	}
	return h.Rights.MayAssignRoles(tx, tenant, append([]string{principal}, groups...))
}

// readPrivilege is the privilege to read objects of a kind.
func readPrivilege(kind string) privilege {
	switch kind {
	case directory.ObjectUser:
		return readUsers
	case directory.ObjectGroup:
		return readGroups
	case kindRole:
		return readRoles
	}
	return readApplications
}
