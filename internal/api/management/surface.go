package management

import (
	"net/http"
	"slices"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
)

// Resource types that no domain package declares.
const (
	typeLocations        arm.Type = "Microsoft.Resources/subscriptions/locations"
	typeResources        arm.Type = "Microsoft.Resources/subscriptions/resources"
	typeGroupResources   arm.Type = "Microsoft.Resources/subscriptions/resourceGroups/resources"
	typeOperationResults arm.Type = "Microsoft.Resources/subscriptions/operationresults"
	typeOperations       arm.Type = "Microsoft.ManagedIdentity/operations"
	typeSystemIdentity   arm.Type = "Microsoft.ManagedIdentity/identities"
	typeRoleAssignments  arm.Type = "Microsoft.Authorization/roleAssignments"
	typeRoleDefinitions  arm.Type = "Microsoft.Authorization/roleDefinitions"
	typePermissions      arm.Type = "Microsoft.Authorization/permissions"
	typeEvents           arm.Type = "Microsoft.Insights/eventtypes/values"
)

// operations returns all rows of the operation table.
func (h *Handler) operations() []Operation {
	return slices.Concat(
		h.coreOperations(),
		h.providerOperations(),
		h.tagOperations(),
		h.identityOperations(),
		h.authorizationOperations(),
		h.roleDefinitionOperations(),
		h.emptyAuthorizationOperations(),
		h.lockOperations(),
		h.denyOperations(),
		h.insightsOperations(),
		h.computeOperations(),
		h.hostOperations(),
		h.explainOperations(),
		h.accessOperations(),
		h.managementGroupOperations(),
		h.subscriptionOperations(),
		h.checkAccessOperations(),
	)
}

func (h *Handler) coreOperations() []Operation {
	const (
		group = "Microsoft.Resources/subscriptions/resourceGroups/"
		sub   = "Microsoft.Resources/subscriptions/"
	)
	rows := []Operation{
		{Method: "GET", Type: arm.TypeTenant, Target: arm.Collection, At: arm.AtTenant, Serve: h.listTenants},
		{Method: "GET", Type: arm.TypeSubscription, Target: arm.Collection, At: arm.AtTenant, Serve: h.listSubscriptions},
		{Method: "GET", Type: arm.TypeSubscription, Target: arm.Instance, At: arm.AtTenant, Perform: sub + "read", Visible: true, Serve: h.getSubscription},
		{Method: "GET", Type: typeLocations, Target: arm.Collection, At: arm.AtSubscription, Perform: sub + "locations/read", Visible: true, Serve: h.listLocations},

		{Method: "GET", Type: arm.TypeResourceGroup, Target: arm.Collection, At: arm.AtSubscription, Perform: group + "read", Filtered: true, Serve: h.listGroups},
		{Method: "GET", Type: arm.TypeResourceGroup, Target: arm.Instance, At: arm.AtSubscription, Perform: group + "read", Serve: h.getGroup},
		{Method: "HEAD", Type: arm.TypeResourceGroup, Target: arm.Instance, At: arm.AtSubscription, Perform: group + "read", Serve: h.headGroup},
		{Method: "PUT", Type: arm.TypeResourceGroup, Target: arm.Instance, At: arm.AtSubscription, Perform: group + "write", Serve: h.putGroup},
		{Method: "PATCH", Type: arm.TypeResourceGroup, Target: arm.Instance, At: arm.AtSubscription, Perform: group + "write", Serve: h.patchGroup},
		{Method: "DELETE", Type: arm.TypeResourceGroup, Target: arm.Instance, At: arm.AtSubscription, Perform: group + "delete", Serve: h.deleteGroup},
		{Method: "GET", Type: typeOperationResults, Target: arm.Instance, At: arm.AtSubscription, Perform: sub + "operationresults/read", Own: h.isDeletionStarter, Serve: h.getOperationResult},

		{Method: "GET", Type: typeResources, Target: arm.Collection, At: arm.AtSubscription, Perform: sub + "resources/read", Filtered: true, Serve: h.listResources},
		{Method: "GET", Type: typeGroupResources, Target: arm.Collection, At: arm.AtGroup, Perform: group + "resources/read", Filtered: true, Serve: h.listResources},

		{Method: "POST", Type: arm.TypeResourceGroup, Target: arm.Action, Verb: "exportTemplate", At: arm.AtSubscription, WhileReadOnly: true, Perform: group + "exportTemplate/action", Serve: h.exportTemplate},
	}
	return withVersions(coreVersions(), rows)
}

func (h *Handler) identityOperations() []Operation {
	const (
		uai = string(identity.Type) + "/"
		fic = string(identity.FederatedType) + "/"
	)
	rows := withVersions(identityVersions(), []Operation{
		{Method: "GET", Type: identity.Type, Target: arm.Collection, At: arm.AtSubscription | arm.AtGroup, Perform: uai + "read", Filtered: true, Serve: h.listIdentities},
		{Method: "GET", Type: identity.Type, Target: arm.Instance, At: arm.AtGroup, Perform: uai + "read", Serve: h.getIdentity},
		{Method: "PUT", Type: identity.Type, Target: arm.Instance, At: arm.AtGroup, Perform: uai + "write", Serve: h.putIdentity},
		{Method: "PATCH", Type: identity.Type, Target: arm.Instance, At: arm.AtGroup, Perform: uai + "write", Serve: h.patchIdentity},
		{Method: "DELETE", Type: identity.Type, Target: arm.Instance, At: arm.AtGroup, Perform: uai + "delete", Serve: h.deleteIdentity},
		{Method: "GET", Type: typeSystemIdentity, Target: arm.Instance, At: arm.AnyLevel, Perform: string(typeSystemIdentity) + "/read", Serve: h.getSystemIdentity},
		{Method: "GET", Type: typeOperations, Target: arm.Collection, At: arm.AtTenant, Serve: h.listIdentityOperations},
	})
	rows = append(rows, withVersions(wire.Versions(func(g wire.Gate) bool { return g.Federated }), []Operation{
		{Method: "GET", Type: identity.FederatedType, Target: arm.Collection, At: arm.AtGroup, Perform: fic + "read", Filtered: true, Serve: h.listFederated},
		{Method: "GET", Type: identity.FederatedType, Target: arm.Instance, At: arm.AtGroup, Perform: fic + "read", Serve: h.getFederated},
		{Method: "PUT", Type: identity.FederatedType, Target: arm.Instance, At: arm.AtGroup, Perform: fic + "write", Serve: h.putFederated},
		{Method: "DELETE", Type: identity.FederatedType, Target: arm.Instance, At: arm.AtGroup, Perform: fic + "delete", Serve: h.deleteFederated},
	})...)
	rows = append(rows, withVersions(wire.Versions(func(g wire.Gate) bool { return g.Revoke }), []Operation{
		{Method: "POST", Type: identity.Type, Target: arm.Action, Verb: "revokeTokens", At: arm.AtGroup, Perform: uai + "revokeTokens/action", Serve: h.revokeTokens},
	})...)
	return append(rows, withVersions(wire.Versions(func(g wire.Gate) bool { return g.Associated }), []Operation{
		{Method: "POST", Type: identity.Type, Target: arm.Action, Verb: "listAssociatedResources", At: arm.AtGroup, WhileReadOnly: true, Perform: uai + "listAssociatedResources/action", Serve: h.listAssociated},
	})...)
}

func (h *Handler) authorizationOperations() []Operation {
	return withVersions(authorizationVersions(), []Operation{
		{Method: "GET", Type: typeRoleAssignments, Target: arm.Collection, At: arm.AnyLevel, Perform: string(typeRoleAssignments) + "/read", Serve: h.listRoleAssignments},
		{Method: "GET", Type: typeRoleAssignments, Target: arm.Instance, At: arm.AnyLevel, Perform: string(typeRoleAssignments) + "/read", Serve: h.getRoleAssignment},
		{Method: "PUT", Type: typeRoleAssignments, Target: arm.Instance, At: arm.AnyLevel, Perform: string(typeRoleAssignments) + "/write", Delegable: true, Serve: h.putRoleAssignment},
		{Method: "DELETE", Type: typeRoleAssignments, Target: arm.Instance, At: arm.AnyLevel, Perform: string(typeRoleAssignments) + "/delete", Delegable: true, Serve: h.deleteRoleAssignment},
	})
}

func (h *Handler) insightsOperations() []Operation {
	return withVersions(insightsVersions(), []Operation{
		{Method: http.MethodGet, Type: typeEvents, Target: arm.Collection, At: arm.AtSubscription | arm.AtTenant, Perform: string(typeEvents) + "/read", Serve: h.listEvents},
	})
}

func withVersions(versions []arm.Version, rows []Operation) []Operation {
	for i := range rows {
		rows[i].Versions = versions
	}
	return rows
}
