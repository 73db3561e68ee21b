package rbac

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// ErrLinkedAuthorizationFailed is the error for a write by a caller who has the right to the write, but not to
// other resources that it would use.
func ErrLinkedAuthorizationFailed(caller Caller, action string, scope arm.ID, linkedAction string, linked []arm.ID) *arm.Error {
	ids := make([]string, len(linked))
	for i, id := range linked {
		ids[i] = id.String()
	}
	return arm.Errorf(http.StatusForbidden, "LinkedAuthorizationFailed",
		"The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, "+
			"it does not have permission to perform action '%s' on the linked scope(s) '%s' or the linked scope(s) are invalid.",
		caller.client(), caller.ObjectID, action, scope, linkedAction, strings.Join(ids, ","))
}

// ErrLinkedTenant is the error for a write that would use a resource in a subscription that belongs to another
// tenant or does not exist. The error does not reveal which of the two is the case.
func ErrLinkedTenant(caller Caller, action string, scope, linked arm.ID) *arm.Error {
	return arm.Errorf(http.StatusForbidden, "LinkedAuthorizationFailed",
		"The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, "+
			"the current tenant '%s' is not authorized to access linked subscription '%s'.",
		caller.client(), caller.ObjectID, action, scope, caller.TenantID, linked.Subscription())
}

// client is the name of the caller in error messages.
func (c Caller) client() string {
	if c.Name != "" {
		return c.Name
	}
	return c.AppID
}
