package directory

// The delegated permissions of Microsoft Graph that code refers to. A permission with the name of an app
// role (User.Read.All) uses the constant of that role.
const (
	ScopeUserRead              = "User.Read"
	ScopeUserReadWrite         = "User.ReadWrite"
	ScopeUserReadBasicAll      = "User.ReadBasic.All"
	ScopeDirectoryAccessAsUser = "Directory.AccessAsUser.All"
	ScopeRoleManagementRead    = "RoleManagement.Read.Directory"
	ScopeOrganizationReadAll   = "Organization.Read.All"
	ScopeDomainReadAll         = "Domain.Read.All"
	ScopeAuditLogReadAll       = "AuditLog.Read.All"
	ScopeOpenID                = "openid"
	ScopeProfile               = "profile"
	ScopeEmail                 = "email"
	ScopeOfflineAccess         = "offline_access"
)

// graphPermissions are the delegated permissions of Microsoft Graph, with Microsoft's ids and consent
// types.
func graphPermissions() []Permission {
	all := []Permission{
		{ID: "37f7f235-527c-4136-accd-4a02d197296e", Value: ScopeOpenID, Type: PermissionForUsers, UserName: "Sign you in"},
		{ID: "14dad69e-099b-42c9-810b-d002981feec1", Value: ScopeProfile, Type: PermissionForUsers, UserName: "View your basic profile"},
		{ID: "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0", Value: ScopeEmail, Type: PermissionForUsers, UserName: "View your email address"},
		{ID: "7427e0e9-2fba-42fe-b0c0-848c9e6a8182", Value: ScopeOfflineAccess, Type: PermissionForUsers, UserName: "Maintain access to data you have given it access to"},
		{ID: "e1fe6dd8-ba31-4d61-89e7-88639da4683d", Value: ScopeUserRead, Type: PermissionForUsers, UserName: "Sign you in and read your profile"},
		{ID: "b4e74841-8e56-480b-be8b-910348b18b4c", Value: ScopeUserReadWrite, Type: PermissionForUsers, UserName: "Read and update your profile"},
		{ID: "b340eb25-3456-403f-be2f-af7a0d370277", Value: ScopeUserReadBasicAll, Type: PermissionForUsers, UserName: "Read all users' basic profiles"},
		{ID: "a154be20-db9c-4678-8ab7-66f6cc099a59", Value: RoleUserReadAll, UserName: "Read all users' full profiles"},
		{ID: "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4", Value: RoleUserReadWriteAll, UserName: "Read and write all users' full profiles"},
		{ID: "5f8c59db-677d-491f-a6b8-5f174b11ec1d", Value: RoleGroupReadAll, UserName: "Read all groups"},
		{ID: "4e46008b-f24c-477d-8fff-7bb4ec7aafe0", Value: RoleGroupReadWriteAll, UserName: "Read and write all groups"},
		{ID: "bc024368-1153-4739-b217-4326f2e966d0", Value: RoleGroupMemberReadAll, UserName: "Read group memberships"},
		{ID: "c79f8feb-a9db-4090-85f9-90d820caa0eb", Value: RoleApplicationReadAll, UserName: "Read applications"},
		{ID: "bdfbf15f-ee85-4955-8675-146e8e5296b5", Value: RoleApplicationReadWriteAll, UserName: "Read and write all applications"},
		{ID: "06da0dbc-49e2-44d2-8312-53f166ab848a", Value: RoleDirectoryReadAll, UserName: "Read directory data"},
		{ID: "c5366453-9fb0-48a5-a156-24f0c49a4b84", Value: RoleDirectoryReadWriteAll, UserName: "Read and write directory data"},
		{ID: "0e263e50-5827-48a4-b97c-d940288653c7", Value: ScopeDirectoryAccessAsUser, UserName: "Access the directory as you"},
		{ID: "84bccea3-f856-4a8a-967b-dbe0a3d53a64", Value: RoleAppRoleAssignmentReadWriteAll, UserName: "Manage app permission grants and app role assignments"},
		{ID: "41ce6ca6-6826-4807-84f1-1c82854f7ee5", Value: RoleDelegatedPermissionGrantReadWriteAll, UserName: "Manage all delegated permission grants"},
		{ID: "741c54c3-0c1e-44a1-818b-3f97ab4e8c83", Value: ScopeRoleManagementRead, UserName: "Read directory role assignments"},
		{ID: "d01b97e9-cbc0-49fe-810a-750afd5527a3", Value: RoleRoleManagementReadWrite, UserName: "Manage directory roles, administrators among them"},
		{ID: "4908d5b9-3fb2-4b1e-9336-1888b7937185", Value: ScopeOrganizationReadAll, UserName: "Read organization information"},
		{ID: "2f9ee017-59c1-4f1d-9472-bd5529a7b311", Value: ScopeDomainReadAll, UserName: "Read domains"},
		{ID: "e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20", Value: ScopeAuditLogReadAll, UserName: "Read audit log data"},
	}
	for i := range all {
		if all[i].Type == "" {
			all[i].Type = PermissionForAdmins
		}
	}
	return withTexts(all)
}

// armPermissions is the only delegated permission of Azure Resource Manager.
func armPermissions() []Permission {
	return withTexts([]Permission{{
		ID: "41094075-9dad-400e-a0bd-54e686782033", Value: UserImpersonation, Type: PermissionForUsers,
		UserName: "Access Azure Resource Manager as you",
		UserText: "Allows the application to do with subscriptions, resource groups and resources whatever you may do.",
	}})
}

// authorizationPermissions is the only delegated permission of checkAccess. Its id is not Microsoft's, which is not
// published.
func authorizationPermissions() []Permission {
	return withTexts([]Permission{{
		ID: "8b9a3c1e-54c6-4c5b-9d6f-0b9e1a7d2f40", Value: UserImpersonation, Type: PermissionForUsers,
		UserName: "Ask for authorization decisions as you",
		UserText: "Allows the application to ask what other users may do, where you may read role assignments.",
	}})
}

// withTexts enables permissions and sets the texts that are empty.
func withTexts(all []Permission) []Permission {
	for i := range all {
		p := &all[i]
		if p.UserText == "" {
			p.UserText = p.UserName + "."
		}
		p.Enabled, p.AdminName, p.AdminText = true, p.UserName, p.UserText
	}
	return all
}
