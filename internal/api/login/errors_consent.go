package login

import (
	"fmt"
	"net/http"

	"midas/internal/directory"
)

// The errors of consent.

// errConsent refuses a client to which the user has not consented. The client has to send an interactive
// request.
func errConsent(app directory.Application) *Error {
	e := invalidGrant(65001, "The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource.", app.AppID, quote(app.DisplayName))
	e.Suberror = "consent_required"
	return e
}

// errSilentConsent is errConsent for a request that allows no page.
func errSilentConsent(app directory.Application) *Error {
	e := errConsent(app)
	e.Code = "interaction_required"
	return e
}

// errAdminConsent refuses a permission to which only an administrator may consent.
func errAdminConsent(app directory.Application) *Error {
	return &Error{
		Status: http.StatusForbidden, Code: "access_denied", Number: 90094,
		Text: fmt.Sprintf("The grant requires admin permission. An administrator has to consent to the application with ID '%s' named '%s'.", app.AppID, quote(app.DisplayName)),
	}
}

// errUnknownPermission refuses a permission that a resource does not define.
func errUnknownPermission(client, permission, resource string) *Error {
	e := invalidClient(650053, "The application '%s' asked for scope '%s' that doesn't exist on the resource '%s'. Contact the app vendor.", quote(client), quote(permission), resource)
	e.Status = http.StatusBadRequest
	return e
}

// errUnlistedResource refuses .default at a resource where it stands for no permission.
func errUnlistedResource(client directory.Application, audience, resource string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "invalid_resource", Number: 650057,
		Text: fmt.Sprintf("Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Client app ID: %s(%s). Resource value from request: %s. Resource app ID: %s.", client.AppID, quote(client.DisplayName), quote(audience), resource),
	}
}

// errNothingRequired refuses admin consent to an application whose registration lists nothing.
func errNothingRequired(app directory.Application) *Error {
	return invalidClient(650056, "Misconfigured application. The client '%s' has not listed any permissions in the requested permissions in the client's application registration, and the request names none.", app.AppID)
}

// errNotRecorded refuses a consent with more permissions than can be recorded.
func errNotRecorded(cause error) *Error {
	return invalidRequest(65005, "The consent could not be recorded: there are too many permissions, or the application asks for permissions that cannot be granted.").because(cause)
}
