package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"midas/internal/arm"
)

// The applications that exist in every tenant. They are code and not records, so that they cannot be
// deleted and are the same in every installation.
const (
	GraphAppID = "00000003-0000-0000-c000-000000000000"
	ARMAppID   = "797f4846-ba00-4fd7-ba43-dac1f8f63013"

	// AuthorizationAppID is the application for checkAccess at {region}.authorization.azure.net.
	AuthorizationAppID = "5861f7fb-5582-4c1a-83c0-fc5ffdb531a6"
)

// The app roles of Microsoft Graph that are enforced here.
const (
	RoleApplicationReadWriteAll       = "Application.ReadWrite.All"
	RoleApplicationReadWriteOwnedBy   = "Application.ReadWrite.OwnedBy"
	RoleApplicationReadAll            = "Application.Read.All"
	RoleDirectoryReadAll              = "Directory.Read.All"
	RoleDirectoryReadWriteAll         = "Directory.ReadWrite.All"
	RoleUserReadAll                   = "User.Read.All"
	RoleUserReadWriteAll              = "User.ReadWrite.All"
	RolePasswordProfileReadWriteAll   = "User-PasswordProfile.ReadWrite.All"
	RoleGroupReadAll                  = "Group.Read.All"
	RoleGroupMemberReadAll            = "GroupMember.Read.All"
	RoleGroupReadWriteAll             = "Group.ReadWrite.All"
	RoleAppRoleAssignmentReadWriteAll = "AppRoleAssignment.ReadWrite.All"
	RoleRoleManagementReadWrite       = "RoleManagement.ReadWrite.Directory"

	RoleDelegatedPermissionGrantReadWriteAll = "DelegatedPermissionGrant.ReadWrite.All"
)

func graphRoles() []AppRole {
	roles := []AppRole{
		{ID: "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", Value: RoleApplicationReadWriteAll, DisplayName: "Read and write all applications"},
		{ID: "18a4783c-866b-4cc7-a460-3d5e5662c884", Value: RoleApplicationReadWriteOwnedBy, DisplayName: "Manage the applications that this application creates or owns"},
		{ID: "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", Value: RoleApplicationReadAll, DisplayName: "Read all applications"},
		{ID: "7ab1d382-f21e-4acd-a863-ba3e13f7da61", Value: RoleDirectoryReadAll, DisplayName: "Read directory data"},
		{ID: "19dbc75e-c2e2-444c-a770-ec69d8559fc7", Value: RoleDirectoryReadWriteAll, DisplayName: "Read and write directory data"},
		{ID: "df021288-bdef-4463-88db-98f22de89214", Value: RoleUserReadAll, DisplayName: "Read all users"},
		{ID: "741f803b-c850-494e-b5df-cde7c675a1ca", Value: RoleUserReadWriteAll, DisplayName: "Read and write all users"},
		{ID: "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7", Value: RolePasswordProfileReadWriteAll, DisplayName: "Read and write all password profiles and reset user passwords"},
		{ID: "5b567255-7703-4780-807c-7be8301ae99b", Value: RoleGroupReadAll, DisplayName: "Read all groups"},
		{ID: "98830695-27a2-44f7-8c18-0c3ebc9698f6", Value: RoleGroupMemberReadAll, DisplayName: "Read all group memberships"},
		{ID: "62a82d76-70ea-41e2-9197-370581804d09", Value: RoleGroupReadWriteAll, DisplayName: "Read and write all groups"},
		{ID: "06b708a9-e830-4db3-a914-8e69da51d44f", Value: RoleAppRoleAssignmentReadWriteAll, DisplayName: "Manage app role assignments"},
		{ID: "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", Value: RoleRoleManagementReadWrite, DisplayName: "Manage directory roles"},
		{ID: "8e8e4742-1d95-4f68-9d56-6ee75648c72a", Value: RoleDelegatedPermissionGrantReadWriteAll, DisplayName: "Manage all delegated permission grants"},
	}
	for i := range roles {
		roles[i].Enabled, roles[i].AllowedMemberTypes = true, []string{"Application"}
		roles[i].Description = roles[i].DisplayName + "."
	}
	return roles
}

// MicrosoftTenant is the tenant that owns the applications of Microsoft's resources
// (appOwnerOrganizationId).
const MicrosoftTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// firstPartyResources are the resources with a service principal in every tenant.
func firstPartyResources() []ServicePrincipal {
	return []ServicePrincipal{
		{AppID: GraphAppID, DisplayName: "Microsoft Graph", Type: TypeApplication, Enabled: true, FirstParty: true},
		{AppID: ARMAppID, DisplayName: "Windows Azure Service Management API", Type: TypeApplication, Enabled: true, FirstParty: true},
		{AppID: AuthorizationAppID, DisplayName: "Azure RBAC Data Plane", Type: TypeApplication, Enabled: true, FirstParty: true},
	}
}

// ResourceNames gives the identifier URIs of a first-party resource; nil for all others.
func ResourceNames(appID string) []string {
	switch arm.Fold(appID) {
	case GraphAppID:
		return []string{"https://graph.microsoft.com", "https://graph.microsoft.com/"}
	case ARMAppID:
		return []string{
			"https://management.azure.com", "https://management.azure.com/",
			"https://management.core.windows.net", "https://management.core.windows.net/",
		}
	case AuthorizationAppID:
		return []string{"https://authorization.azure.net", "https://authorization.azure.net/"}
	}
	return nil
}

// firstParty returns the first-party service principal in a tenant for which is returns true.
func firstParty(tenant string, is func(ServicePrincipal) bool) (ServicePrincipal, bool) {
	for _, p := range firstPartyResources() {
		if p = inTenant(p, tenant); is(p) {
			return p, true
		}
	}
	return ServicePrincipal{}, false
}

func inTenant(p ServicePrincipal, tenant string) ServicePrincipal {
	p.TenantID, p.ID = tenant, builtinID(tenant, p.AppID)
	p.Created = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	return p
}

// firstPartyOf is firstParty by client id. It computes one object id only.
func firstPartyOf(tenant string, is func(appID string) bool) (ServicePrincipal, bool) {
	for _, p := range firstPartyResources() {
		if is(p.AppID) {
			return inTenant(p, tenant), true
		}
	}
	return ServicePrincipal{}, false
}

// FirstPartyPrincipals gives the service principals that every tenant has, with the ids that they
// have in this one.
func FirstPartyPrincipals(tenant string) []ServicePrincipal {
	var all []ServicePrincipal
	firstParty(tenant, func(p ServicePrincipal) bool { all = append(all, p); return false })
	return all
}

// builtinID derives the object id of a first-party principal.
func builtinID(tenant, appID string) string {
	return derivedID(sha256.Sum256([]byte("midas:" + arm.Fold(tenant) + "/" + appID)))
}

// derivedID formats a hash as a UUID of version 8 (RFC 9562, custom).
func derivedID(sum [sha256.Size]byte) string {
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// trimAudience removes the slash at the end of an audience, which some clients send and others do not.
func trimAudience(audience string) string { return strings.TrimSuffix(audience, "/") }
