package rbac

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// ErrAuthorizationFailed is the error for a caller without the right to an action.
func ErrAuthorizationFailed(caller Caller, action string, scope arm.ID) *arm.Error {
	return errForbidden(caller, "does not have authorization", action, scope)
}

// Refusal is the error for a caller to whom the decision does not allow an action. If the caller has a role whose
// condition is not fulfilled, the error says so, in Azure's words.
func (d Decision) Refusal(caller Caller, action string, scope arm.ID) *arm.Error {
	if d.Effect == NotAllowed && d.Conditional {
		return errForbidden(caller, "has an authorization with ABAC condition that is not fulfilled", action, scope)
	}
	return ErrAuthorizationFailed(caller, action, scope)
}

func errForbidden(caller Caller, fault, action string, scope arm.ID) *arm.Error {
	return arm.Errorf(http.StatusForbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' %s to perform action '%s' over scope '%s' or the scope is invalid. "+
			"If access was recently granted, please refresh your credentials.", caller.client(), caller.ObjectID, fault, action, scope)
}

// refusal is an error of the provider Microsoft.Authorization, as opposed to one of Resource Manager itself.
func refusal(status int, code, format string, args ...any) *arm.Error {
	err := arm.Errorf(status, code, format, args...)
	err.Backend = true
	return err
}

// ErrDefinitionNotFound is the error for a GUID that no role has. The status is 404 for a request for the role
// itself, and 400 for an assignment with its id.
func ErrDefinitionNotFound(status int, id string) *arm.Error {
	return refusal(status, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", arm.Clip(id))
}

func errInvalidDefinitionID(id string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidRoleDefinitionId", "The role definition ID '%s' is not valid.", arm.Clip(id))
}

func errInvalidName(name string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidRoleAssignmentId",
		"The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", arm.Clip(name))
}

func errInvalidPrincipal(id string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidPrincipalId",
		"The Principal ID '%s' is not valid. Principal ID must be a GUID.", arm.Clip(id))
}

func errInvalidPrincipalType(typ string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidPrincipalType",
		"The principal type '%s' is not valid. It must be one of: %s.", arm.Clip(typ), strings.Join(principalTypes[:], ", "))
}

// errInvalidCondition is Azure's error for a condition, followed by the place and the reason, which Azure does not say.
func errInvalidCondition(reason string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidRoleAssignmentCondition", "The given role assignment condition is invalid. %s.", reason)
}

func errNotFound(name string) *arm.Error {
	return refusal(http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", arm.Clip(name))
}

// CodeAssignmentExists is the code of the error for a second assignment of a role to a principal at a scope.
const CodeAssignmentExists = "RoleAssignmentExists"

func errExists() *arm.Error {
	return refusal(http.StatusConflict, CodeAssignmentExists, "The role assignment already exists.")
}

func errUpdateNotPermitted() *arm.Error {
	return refusal(http.StatusBadRequest, "RoleAssignmentUpdateNotPermitted",
		"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
}

// errPrincipalNotFound has two spaces before "See", as Azure's text has.
func errPrincipalNotFound(principal, tenant string) *arm.Error {
	return refusal(http.StatusBadRequest, "PrincipalNotFound",
		"Principal %s does not exist in the directory %s. Check that you have the correct principal ID. "+
			"If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. "+
			"In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  "+
			"See https://aka.ms/docs-principaltype", strings.ReplaceAll(principal, "-", ""), tenant)
}

// errUnmatchedType has the spelling "PrinciaplType" of Azure's text.
func errUnmatchedType(principal, is, given string) *arm.Error {
	return refusal(http.StatusBadRequest, "UnmatchedPrincipalType",
		"The PrincipalId '%s' has type '%s' , which is different from specified PrinciaplType '%s'.",
		strings.ReplaceAll(principal, "-", ""), is, given)
}

func errLimit() *arm.Error {
	return refusal(http.StatusBadRequest, "RoleAssignmentLimitExceeded",
		"No more role assignments can be created (code: RoleAssignmentLimitExceeded)")
}

func errLastOwner() *arm.Error {
	return refusal(http.StatusPreconditionFailed, "CannotDeleteLastRbacAdminAssignment",
		"Cannot delete the last RBAC admin assignment")
}

// ErrInstanceNotFound is the 404 for an instance of a type of Microsoft.Authorization. The code begins with the
// singular of the type, as in DenyAssignmentNotFound.
func ErrInstanceNotFound(singular, name string) *arm.Error {
	return refusal(http.StatusNotFound, singular+"NotFound", "The %s '%s' is not found.", singular, arm.Clip(name))
}

// ErrFilter is the error for a $filter that cannot be parsed.
func ErrFilter(filter string) *arm.Error {
	return refusal(http.StatusBadRequest, "UnsupportedQuery", "The filter '%s' is not supported.", arm.Clip(filter))
}

func errFilter(filter, supported string) *arm.Error {
	return refusal(http.StatusBadRequest, "UnsupportedQuery",
		"The filter '%s' is not supported. Supported filters are %s.", arm.Clip(filter), supported)
}
