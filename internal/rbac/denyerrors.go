package rbac

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// errDenied is Azure's error for an access that a deny assignment denies. Azure writes the id without hyphens.
func errDenied(caller Caller, action string, scope arm.ID, d *DenyAssignment) *arm.Error {
	return arm.Errorf(http.StatusForbidden, "DenyAssignmentAuthorizationFailed",
		"The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, "+
			"the access is denied because of the deny assignment with name '%s' and Id '%s' at scope '%s'.",
		caller.client(), caller.ObjectID, action, scope, d.DisplayName, strings.ReplaceAll(d.Name, "-", ""), d.Scope)
}

func errDenyNotFound(name string) *arm.Error { return ErrInstanceNotFound("DenyAssignment", name) }

func errDenyName(name string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidDenyAssignmentId",
		"The deny assignment ID '%s' is not valid. The deny assignment ID must be a GUID.", arm.Clip(name))
}

func errDenyContent(format string, args ...any) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidDenyAssignment", format, args...)
}

// errDenyAction is Azure's error for a pattern that a deny assignment cannot have.
func errDenyAction(pattern, why string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidActionOrNotAction", "'%s' %s", arm.Clip(pattern), why)
}

func errDenyCondition(why string) *arm.Error {
	return refusal(http.StatusBadRequest, "InvalidDenyAssignmentCondition", "The given deny assignment condition is invalid. %s.", why)
}

func errDenyExists(displayName string) *arm.Error {
	return refusal(http.StatusConflict, "DenyAssignmentExists", "Custom deny assignment with the same name %s already exists.", arm.Clip(displayName))
}

func errDenyElsewhere(name string) *arm.Error {
	return refusal(http.StatusConflict, "DenyAssignmentExists", "Custom deny assignment with the same ID %s already exists at another scope.", arm.Clip(name))
}

func errDenyLimit() *arm.Error {
	return refusal(http.StatusBadRequest, "DenyAssignmentLimitExceeded",
		"No more deny assignments can be created; a tenant can have %d.", MaxDenyAssignments)
}
