package management

import (
	"midas/internal/arm"
)

// Types of Microsoft.Authorization.
const (
	typeAssignmentUsage arm.Type = "Microsoft.Authorization/roleAssignmentsUsageMetrics"
	typeElevateAccess   arm.Type = "Microsoft.Authorization/elevateAccess"
	typeEligible        arm.Type = "Microsoft.Authorization/eligibleChildResources"
)

// accessOperations returns the operations of Microsoft.Authorization that say what callers may do, and those about
// role assignments that are not reads and writes of them.
func (h *Handler) accessOperations() []Operation {
	return append(withVersions(authorizationVersions(), []Operation{
		{Method: "GET", Type: typePermissions, Target: arm.Collection, At: arm.AnyLevel, Serve: h.listPermissions},
		{Method: "POST", Type: typeRoleAssignments, Target: arm.Action, Verb: "validate", At: arm.AnyLevel, WhileReadOnly: true, Perform: string(typeRoleAssignments) + "/write", Delegable: true, Serve: h.validateRoleAssignment},
		{Method: "POST", Type: typeElevateAccess, Target: arm.Action, At: arm.AtTenant, Perform: string(typeElevateAccess) + "/action", Own: h.isGlobalAdministrator, OwnOnly: true, Serve: h.elevateAccess},
	}), append(withVersions([]arm.Version{"2020-10-01-preview", "2020-10-01", "2022-04-01-preview", "2024-02-01-preview", "2024-09-01-preview"}, []Operation{
		{Method: "GET", Type: typeEligible, Target: arm.Collection, At: arm.AnyLevel, Serve: h.listEligibleChildren},
	}), withVersions([]arm.Version{"2019-08-01-preview"}, []Operation{
		{Method: "GET", Type: typeAssignmentUsage, Target: arm.Collection, At: arm.AtSubscription, Perform: string(typeAssignmentUsage) + "/read", Serve: h.getAssignmentUsage},
	})...)...)
}
