package graph

import (
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// privilege is a set of things that a caller may do.
type privilege uint16

const (
	readUsers privilege = 1 << iota
	readGroups
	readApplications // and service principals, and who has which app role
	readRoles        // directory roles and who has them
	writeUsers
	writeGroups
	writeApplications
	assignAppRoles   // of all resources but Microsoft Graph
	assignGraphRoles // of Microsoft Graph, whose app roles are privileges here
	manageRoles      // directory roles

	readAll    = readUsers | readGroups | readApplications | readRoles
	everything = manageRoles<<1 - 1

	// nobody has it: for what one can only do to oneself.
	nobody privilege = 1 << 15
)

// directoryRolePrivileges says what a directory role gives.
func directoryRolePrivileges(role string) privilege {
	switch arm.Fold(role) {
	case directory.GlobalAdministrator:
		return everything
	case directory.ApplicationAdministrator:
		return readAll | writeApplications | assignAppRoles
	case directory.DirectoryReaders:
		return readAll
	}
	return 0
}

// appRolePrivileges says what an app role of Microsoft Graph in a token gives.
func appRolePrivileges(role string) privilege {
	switch role {
	case directory.RoleApplicationReadAll:
		return readApplications
	case directory.RoleApplicationReadWriteAll:
		return readApplications | writeApplications
	case directory.RoleDirectoryReadAll:
		return readAll
	case directory.RoleDirectoryReadWriteAll:
		return readAll | writeUsers | writeGroups | writeApplications
	case directory.RoleUserReadAll:
		return readUsers
	case directory.RoleUserReadWriteAll:
		return readUsers | writeUsers
	case directory.RoleGroupReadAll:
		return readGroups
	case directory.RoleGroupReadWriteAll:
		return readGroups | writeGroups
	case directory.RoleAppRoleAssignmentReadWriteAll:
		return readApplications | assignAppRoles | assignGraphRoles
	case directory.RoleRoleManagementReadWrite:
		return readRoles | manageRoles
	}
	return 0
}

// privilegesOf adds up what a caller may do. People may read the directory, as members may in
// Entra; service principals may nothing by themselves.
func privilegesOf(user bool, directoryRoles, appRoles []string) (may privilege) {
	if user {
		may = readAll
	}
	for _, role := range directoryRoles {
		may |= directoryRolePrivileges(role)
	}
	for _, role := range appRoles {
		may |= appRolePrivileges(role)
	}
	return may
}

// authorize decides whether a caller may do an operation to an object, which may be missing.
func (h *Handler) authorize(tx store.Tx, c caller, op *Operation, t target) error {
	needs := op.Needs
	if op.ByKind && t.kind != "" {
		needs = readPrivilege(t.kind)
	}
	allowed := needs == 0 || c.may&needs != 0
	if !allowed && op.Self && t.id != "" {
		allowed = arm.SameName(t.id, c.id)
	}
	if !allowed && op.Owner && t.id != "" {
		owns, err := h.Directory.Owns(tx, c.tenant, c.id, t.id)
		if err != nil {
			return err
		}
		allowed = owns
	}
	if allowed && op.Guard && c.may != everything && !arm.SameName(t.principal, c.id) {
		powerful, err := h.powerful(tx, c.tenant, t.principal)
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

// powerful says whether a principal has privileges here, itself or through groups.
func (h *Handler) powerful(tx store.Tx, tenant, principal string) (bool, error) {
	if principal == "" {
		return false, nil
	}
	roles, err := h.Directory.DirectoryRoles(tx, tenant, principal)
	if err != nil || len(roles) > 0 {
		return true, err
	}
	values, err := h.Directory.AppRolesFor(tx, tenant, principal, directory.GraphAppID)
	return len(values) > 0, err
}

// readPrivilege is what it takes to read objects of a kind.
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
