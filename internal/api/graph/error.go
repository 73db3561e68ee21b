package graph

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/store"
)

// Error is an error response. Codes and texts that clients depend on are the same as in Microsoft Graph.
type Error struct {
	Status  int
	Code    string
	Message string
	Header  http.Header
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func errBadRequest(format string, args ...any) *Error {
	return errorf(http.StatusBadRequest, "Request_BadRequest", format, args...)
}

func errUnsupported(format string, args ...any) *Error {
	return errorf(http.StatusBadRequest, "Request_UnsupportedQuery", format, args...)
}

func errNotFound(id string) *Error {
	return errorf(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", clip(id))
}

func errDenied() *Error {
	return errorf(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

// errVerifiedDomain has the text of Entra's error, which clients show to users.
func errVerifiedDomain(uri string) *Error {
	return errorf(http.StatusBadRequest, "HostNameNotOnVerifiedDomain",
		"Values of identifierUris property must use a verified domain of the organization or its subdomain: '%s'", clip(uri))
}

func errSegment(segment string) *Error {
	return errorf(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", clip(segment))
}

// clip limits the length of a client's text in an error message.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// graphError maps an error of package directory to Graph's error. id is the object of the request. Other
// errors are returned unchanged and become a 500.
func graphError(err error, id string) error {
	var visible *Error
	var unverified *directory.UnverifiedError
	var federated *directory.FederatedError
	switch {
	case err == nil || errors.As(err, &visible):
		return err
	case errors.As(err, &federated):
		return federatedError(federated)
	case errors.Is(err, directory.ErrNotFound):
		return errNotFound(id)
	case errors.Is(err, directory.ErrExists):
		return errBadRequest("Another object with the same value for one of its unique properties already exists.")
	case errors.As(err, &unverified):
		return errVerifiedDomain(unverified.URI)
	case errors.Is(err, directory.ErrReservedURI):
		return errorf(http.StatusBadRequest, "HostNameNotOnVerifiedDomain", "Values of identifierUris property must not be reserved for another application or for Microsoft: %s", clip(innermostText(err)))
	case errors.Is(err, directory.ErrLastAdministrator):
		return errBadRequest("The last Global Administrator of a tenant can be neither disabled nor removed.")
	case errors.Is(err, directory.ErrWeakPassword):
		return errBadRequest("The specified password does not comply with password complexity requirements. Please provide a different password.")
	case errors.Is(err, directory.ErrTooManySecrets):
		return errBadRequest("There are too many credentials. Remove one before adding another.")
	case errors.Is(err, directory.ErrTooManyGrants):
		return errorf(http.StatusBadRequest, "Directory_QuotaExceeded", "The user or the client has too many permission grants.")
	case errors.Is(err, directory.ErrTooManyRevocations):
		return errorf(http.StatusTooManyRequests, "TooManyRequests", "Too many users and applications were deleted or revoked lately. Please try again later.")
	case errors.Is(err, directory.ErrFirstParty):
		return errDenied()
	case errors.Is(err, directory.ErrInvalid):
		return errBadRequest("%s", clip(innermostText(err)))
	case errors.Is(err, directory.ErrTooManyGroups):
		return errUnsupported("The object is in, or contains, more than %d others.", directory.MaxGroups)
	}
	return err
}

// innermostText is the text of the error that wraps ErrInvalid directly, without the outer context and
// without the text of ErrInvalid.
func innermostText(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || inner == directory.ErrInvalid {
			return strings.TrimPrefix(err.Error(), directory.ErrInvalid.Error()+": ")
		}
		err = inner
	}
}

// internalError maps unexpected errors to 500 or 503.
func internalError(err error) *Error {
	if f := httpx.AsFault(err); f != nil {
		injected := errorf(f.Status, f.Code, "%s", f.Message)
		injected.Header = f.Header()
		return injected
	}
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrClosed), errors.Is(err, directory.ErrBusy), errors.Is(err, store.ErrOutdated):
		busy := errorf(http.StatusServiceUnavailable, "serviceNotAvailable", "The service is busy. Please try again.")
		busy.Header = http.Header{"Retry-After": {"1"}}
		return busy
	case errors.Is(err, store.ErrUnavailable):
		down := errorf(http.StatusServiceUnavailable, "serviceNotAvailable", "The service does not accept changes at the moment. Please try again later.")
		down.Header = http.Header{"Retry-After": {"10"}}
		return down
	case errors.Is(err, store.ErrTooLarge):
		return errBadRequest("The object would be too large to store.")
	}
	return errorf(http.StatusInternalServerError, "InternalServerError", "The service could not complete the request.")
}
