package graph

import (
	"net/http"
	"slices"
)

// Short names of the methods for the tables below.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// operations returns all operations of the API. If several rows match a path, the first one is used.
func (h *Handler) operations() []Operation {
	return slices.Concat(h.userOperations(), h.groupOperations(), h.applicationOperations(), h.principalOperations(),
		h.roleOperations(), h.permissionGrantOperations(), h.directoryOperations())
}

func (h *Handler) userOperations() []Operation {
	return slices.Concat([]Operation{
		{Method: get, Path: "users", Needs: readUsers, Serve: h.listUsers},
		{Method: post, Path: "users", Needs: writeUsers, Serve: h.createUser},
		{Method: get, Path: "users/$count", Needs: readUsers, Serve: h.countUsers},
		{Method: get, Path: "users/{id}", Needs: readUsers, Self: true, Serve: h.getUser},
		{Method: patch, Path: "users/{id}", Needs: writeUsers | writePasswords, Guard: true, Serve: h.updateUser},
		{Method: remove, Path: "users/{id}", Needs: writeUsers, Guard: true, Serve: h.deleteUser},
		{Method: post, Path: "users/{id}/changePassword", Needs: selfOnly, Self: true, Serve: h.changePassword},
		{Method: post, Path: "users/{id}/revokeSignInSessions", Needs: writeUsers, Self: true, Guard: true, Serve: h.revokeSessions},
	}, h.memberOperations("users", readUsers), h.appRoleAssignmentOperations("users", readUsers))
}

func (h *Handler) groupOperations() []Operation {
	return slices.Concat([]Operation{
		{Method: get, Path: "groups", Needs: readGroups, Serve: h.listGroups},
		{Method: post, Path: "groups", Needs: writeGroups, Serve: h.createGroup},
		{Method: get, Path: "groups/$count", Needs: readGroups, Serve: h.countGroups},
		{Method: get, Path: "groups/{id}", Needs: readGroups, Owner: true, Serve: h.getGroup},
		{Method: patch, Path: "groups/{id}", Needs: writeGroups, Owner: true, Guard: true, Serve: h.updateGroup},
		{Method: remove, Path: "groups/{id}", Needs: writeGroups, Owner: true, Guard: true, Serve: h.deleteGroup},
		{Method: get, Path: "groups/{id}/members", Needs: readGroups, Owner: true, Serve: h.listReferences(membersOf)},
		{Method: get, Path: "groups/{id}/members/{cast}", Needs: readGroups, Owner: true, Serve: h.listReferences(membersOf)},
		{Method: get, Path: "groups/{id}/members/{cast}/$count", Needs: readGroups, Owner: true, Serve: h.countReferences(membersOf)},
		{Method: get, Path: "groups/{id}/members/$count", Needs: readGroups, Owner: true, Serve: h.countReferences(membersOf)},
		{Method: get, Path: "groups/{id}/transitiveMembers/$count", Needs: readGroups, Owner: true, Serve: h.countIDs(h.transitiveMembers)},
		{Method: get, Path: "groups/{id}/transitiveMembers", Needs: readGroups, Owner: true, Serve: h.listIDs(h.transitiveMembers)},
		{Method: get, Path: "groups/{id}/transitiveMembers/{cast}", Needs: readGroups, Owner: true, Serve: h.listIDs(h.transitiveMembers)},
		{Method: get, Path: "groups/{id}/transitiveMembers/{cast}/$count", Needs: readGroups, Owner: true, Serve: h.countIDs(h.transitiveMembers)},
		{Method: post, Path: "groups/{id}/members/$ref", Needs: writeGroups, Owner: true, Guard: true, Serve: h.addReference(membersOf)},
		{Method: remove, Path: "groups/{id}/members/{member}/$ref", Needs: writeGroups, Owner: true, Guard: true, Serve: h.removeReference(membersOf)},
	}, h.ownerOperations("groups", readGroups, writeGroups), h.memberOperations("groups", readGroups), h.appRoleAssignmentOperations("groups", readGroups))
}

func (h *Handler) applicationOperations() []Operation {
	return slices.Concat([]Operation{
		{Method: get, Path: "applications", Needs: readApplications, Serve: h.listApplications},
		{Method: post, Path: "applications", Needs: writeApplications | createApplications, Serve: h.createApplication},
		{Method: get, Path: "applications/$count", Needs: readApplications, Serve: h.countApplications},
		{Method: get, Path: "applications/{id}", Needs: readApplications, Owner: true, Serve: h.getApplication},
		{Method: patch, Path: "applications/{id}", Needs: writeApplications, Owner: true, Guard: true, Serve: h.updateApplication},
		{Method: remove, Path: "applications/{id}", Needs: writeApplications, Owner: true, Guard: true, Serve: h.deleteApplication},
	}, h.credentialOperations("applications"), h.federatedOperations(), h.ownerOperations("applications", readApplications, writeApplications))
}

// credentialOperations are the operations on the credentials of applications or service principals.
func (h *Handler) credentialOperations(set string) []Operation {
	path := set + "/{id}/"
	return []Operation{
		{Method: post, Path: path + "addPassword", Needs: writeApplications, Owner: true, Guard: true, Serve: h.addPassword},
		{Method: post, Path: path + "removePassword", Needs: writeApplications, Owner: true, Guard: true, Serve: h.removePassword},
		{Method: post, Path: path + "addKey", Needs: writeApplications, Owner: true, Proof: true, Guard: true, Serve: h.addKey},
		{Method: post, Path: path + "removeKey", Needs: writeApplications, Owner: true, Proof: true, Guard: true, Serve: h.removeKey},
	}
}

func (h *Handler) principalOperations() []Operation {
	return slices.Concat([]Operation{
		{Method: get, Path: "servicePrincipals", Needs: readApplications, Serve: h.listPrincipals},
		{Method: post, Path: "servicePrincipals", Needs: writeApplications | createApplications, Serve: h.createPrincipal},
		{Method: get, Path: "servicePrincipals/$count", Needs: readApplications, Serve: h.countPrincipals},
		{Method: get, Path: "servicePrincipals/{id}", Needs: readApplications, Self: true, Owner: true, Serve: h.getPrincipal},
		{Method: patch, Path: "servicePrincipals/{id}", Needs: writeApplications, Owner: true, Guard: true, Serve: h.updatePrincipal},
		{Method: remove, Path: "servicePrincipals/{id}", Needs: writeApplications, Owner: true, Guard: true, Serve: h.deletePrincipal},
		{Method: get, Path: "servicePrincipals/{id}/appRoleAssignedTo", Needs: readApplications, Owner: true, Serve: h.listAppRoleAssignedTo},
		{Method: post, Path: "servicePrincipals/{id}/appRoleAssignedTo", Needs: assignAppRoles, Serve: h.assignAppRole},
		{Method: get, Path: "servicePrincipals/{id}/appRoleAssignedTo/{member}", Needs: readApplications, Serve: h.getAppRoleAssignment},
		{Method: remove, Path: "servicePrincipals/{id}/appRoleAssignedTo/{member}", Needs: assignAppRoles, Serve: h.removeAppRoleAssignment},
	}, h.credentialOperations("servicePrincipals"), h.ownerOperations("servicePrincipals", readApplications, writeApplications),
		h.memberOperations("servicePrincipals", readApplications), h.appRoleAssignmentOperations("servicePrincipals", readApplications))
}

// ownerOperations are the operations on the owners of an object.
func (h *Handler) ownerOperations(set string, read, write privilege) []Operation {
	path := set + "/{id}/owners"
	return []Operation{
		{Method: get, Path: path, Needs: read, Owner: true, Serve: h.listReferences(ownersOf)},
		{Method: get, Path: path + "/{cast}", Needs: read, Owner: true, Serve: h.listReferences(ownersOf)},
		{Method: get, Path: path + "/{cast}/$count", Needs: read, Owner: true, Serve: h.countReferences(ownersOf)},
		{Method: get, Path: path + "/$count", Needs: read, Owner: true, Serve: h.countReferences(ownersOf)},
		{Method: post, Path: path + "/$ref", Needs: write, Owner: true, Guard: true, Serve: h.addReference(ownersOf)},
		{Method: remove, Path: path + "/{member}/$ref", Needs: write, Owner: true, Guard: true, Serve: h.removeReference(ownersOf)},
	}
}

// memberOperations are the operations on the groups and roles of an object, and on the objects that it owns.
func (h *Handler) memberOperations(set string, read privilege) []Operation {
	path := set + "/{id}/"
	rows := []Operation{
		{Method: get, Path: path + "memberOf", Serve: h.listIDs(h.memberOf)},
		{Method: get, Path: path + "memberOf/{cast}", Serve: h.listIDs(h.memberOf)},
		{Method: get, Path: path + "memberOf/{cast}/$count", Serve: h.countIDs(h.memberOf)},
		{Method: get, Path: path + "transitiveMemberOf", Serve: h.listIDs(h.transitiveMemberOf)},
		{Method: get, Path: path + "transitiveMemberOf/{cast}", Serve: h.listIDs(h.transitiveMemberOf)},
		{Method: get, Path: path + "transitiveMemberOf/{cast}/$count", Serve: h.countIDs(h.transitiveMemberOf)},
		{Method: get, Path: path + "memberOf/$count", Serve: h.countIDs(h.memberOf)},
		{Method: get, Path: path + "transitiveMemberOf/$count", Serve: h.countIDs(h.transitiveMemberOf)},
		{Method: get, Path: path + "ownedObjects/$count", Serve: h.countIDs(h.ownedObjects)},
		{Method: get, Path: path + "ownedObjects", Serve: h.listIDs(h.ownedObjects)},
		{Method: get, Path: path + "ownedObjects/{cast}", Serve: h.listIDs(h.ownedObjects)},
		{Method: get, Path: path + "ownedObjects/{cast}/$count", Serve: h.countIDs(h.ownedObjects)},
		{Method: post, Path: path + "getMemberGroups", Serve: h.getMemberships(false)},
		{Method: post, Path: path + "getMemberObjects", Serve: h.getMemberships(true)},
		{Method: post, Path: path + "checkMemberGroups", Serve: h.checkMemberships("groupIds", false)},
		{Method: post, Path: path + "checkMemberObjects", Serve: h.checkMemberships("ids", true)},
	}
	for i := range rows {
		rows[i].Needs, rows[i].ByKind, rows[i].Self = read, true, true
	}
	return rows
}

// appRoleAssignmentOperations are the operations on the app roles that are assigned to an object.
func (h *Handler) appRoleAssignmentOperations(set string, read privilege) []Operation {
	path := set + "/{id}/appRoleAssignments"
	return []Operation{
		{Method: get, Path: path, Needs: read, Self: true, Serve: h.listAppRoleAssignments},
		{Method: post, Path: path, Needs: assignAppRoles, Serve: h.assignAppRole},
		{Method: get, Path: path + "/{member}", Needs: read, Self: true, Serve: h.getAppRoleAssignment},
		{Method: remove, Path: path + "/{member}", Needs: assignAppRoles, Serve: h.removeAppRoleAssignment},
	}
}

func (h *Handler) roleOperations() []Operation {
	const management = "roleManagement/directory/"
	return []Operation{
		{Method: get, Path: "directoryRoles", Needs: readRoles, Serve: h.listRoles(h.roles)},
		{Method: get, Path: "directoryRoles/{id}", Needs: readRoles, Serve: h.getRole(h.roles)},
		{Method: get, Path: "directoryRoles/{id}/members", Needs: readRoles, Serve: h.listReferences(roleMembersOf)},
		{Method: post, Path: "directoryRoles/{id}/members/$ref", Needs: manageRoles, Serve: h.addReference(roleMembersOf)},
		{Method: remove, Path: "directoryRoles/{id}/members/{member}/$ref", Needs: manageRoles, Serve: h.removeReference(roleMembersOf)},
		{Method: get, Path: "directoryRoleTemplates", Needs: readRoles, Serve: h.listRoles(h.roles)},
		{Method: get, Path: management + "roleDefinitions", Needs: readRoles, Serve: h.listRoles(h.roleDefinitions)},
		{Method: get, Path: management + "roleDefinitions/{id}", Needs: readRoles, Serve: h.getRole(h.roleDefinitions)},
		{Method: get, Path: management + "roleAssignments", Needs: readRoles, Serve: h.listRoleAssignments},
		{Method: post, Path: management + "roleAssignments", Needs: manageRoles, Serve: h.createRoleAssignment},
		{Method: get, Path: management + "roleAssignments/{id}", Needs: readRoles, Serve: h.getRoleAssignment},
		{Method: remove, Path: management + "roleAssignments/{id}", Needs: manageRoles, Serve: h.deleteRoleAssignment},
	}
}

func (h *Handler) directoryOperations() []Operation {
	const deleted = "directory/deletedItems/"
	return slices.Concat([]Operation{
		{Method: post, Path: "directoryObjects/getByIds", Needs: readAll, Serve: h.getByIDs},
		{Method: get, Path: "directoryObjects/{id}", Needs: readAll, ByKind: true, Self: true, Serve: h.getObject},
		{Method: get, Path: "organization", Serve: h.listOrganizations},
		{Method: get, Path: "organization/{id}", Serve: h.getOrganization},
		{Method: get, Path: "domains", Serve: h.listDomains},
		{Method: get, Path: "domains/{id}", Serve: h.getDomain},
		{Method: get, Path: deleted + "{cast}", Needs: readAll, Serve: h.emptyCollection("directoryObjects")},
		{Method: get, Path: deleted + "{id}", Needs: readAll, Serve: h.getDeleted},
		{Method: remove, Path: deleted + "{id}", Needs: writeUsers | writeGroups | writeApplications, Serve: h.purgeDeleted},
	}, h.memberOperations("directoryObjects", readAll))
}
