package management

import (
	"midas/internal/arm"
)

const typeAssignmentUsage arm.Type = "Microsoft.Authorization/roleAssignmentsUsageMetrics"

// accessOperations returns the operations of Microsoft.Authorization that say what callers may do, and those about
// role assignments that are not reads and writes of them.
func (h *Handler) accessOperations() []Operation {
	return append(withVersions(authorizationVersions(), []Operation{
		{Method: "GET", Type: typePermissions, Target: arm.Collection, At: arm.AnyLevel, Serve: h.listPermissions},
		{Method: "POST", Type: typeRoleAssignments, Target: arm.Action, Verb: "validate", At: arm.AnyLevel, Perform: string(typeRoleAssignments) + "/write", Serve: h.validateRoleAssignment},
	}), withVersions([]arm.Version{"2019-08-01-preview"}, []Operation{
		{Method: "GET", Type: typeAssignmentUsage, Target: arm.Collection, At: arm.AtSubscription, Perform: string(typeAssignmentUsage) + "/read", Serve: h.getAssignmentUsage},
	})...)
}
