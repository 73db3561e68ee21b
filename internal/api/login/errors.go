package login

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"midas/internal/store"
)

// Error is an error for clients: an OAuth error with the AADSTS number and the text on which clients of
// Entra match. It never contains a secret or an assertion.
type Error struct {
	Status     int    // HTTP status
	Code       string // OAuth error code: invalid_client
	Suberror   string // Entra's suberror: consent_required; empty: none
	Number     int    // the AADSTS number
	Text       string
	RetryAfter time.Duration // 0: none
	Challenge  bool          // the client used the Authorization header, so the answer has WWW-Authenticate

	cause error // for the log only
}

func (e *Error) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.Number, e.Text) }

// Unwrap returns the cause, which is not sent to clients.
func (e *Error) Unwrap() error { return e.cause }

// LogValue logs the code and the number. It omits the text, which quotes the request.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(slog.String("error", e.Code), slog.Int("aadsts", e.Number))
}

// invalidGrant refuses a password, a code or a token of a user.
func invalidGrant(number int, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_grant", Number: number, Text: fmt.Sprintf(format, args...)}
}

// because sets the cause, which is logged.
func (e *Error) because(cause error) *Error {
	e.cause = cause
	return e
}

// quote makes a value of the request valid UTF-8 of at most 200 bytes, for error texts.
func quote(s string) string {
	const most = 200
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func invalidRequest(number int, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_request", Number: number, Text: fmt.Sprintf(format, args...)}
}

func invalidClient(number int, format string, args ...any) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_client", Number: number, Text: fmt.Sprintf(format, args...)}
}

func invalidScope(number int, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_scope", Number: number, Text: fmt.Sprintf(format, args...)}
}

// errMalformed refuses a request that cannot be parsed or has no endpoint.
func errMalformed(status int) *Error {
	e := invalidRequest(9002313, "Invalid request. Request is malformed or invalid.")
	e.Status = status
	return e
}

// errMalformedBy is errMalformed with a cause.
func errMalformedBy(cause error) *Error {
	e := errMalformed(http.StatusBadRequest)
	e.cause = cause
	return e
}

func errMethod(accepted, got string) *Error {
	return invalidRequest(900561, "The endpoint only accepts %s requests. Received a %s request.", accepted, quote(got))
}

func errMissingParameter(name string) *Error {
	return invalidRequest(900144, "The request body must contain the following parameter: '%s'.", name)
}

// errMissingField is errMissingParameter for query parameters.
func errMissingField(name string) *Error {
	return invalidRequest(90014, "The required field '%s' is missing from the credential. Ensure that you have all the necessary parameters for the request.", name)
}

func errTenant(name string) *Error {
	return invalidRequest(90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", quote(name))
}

// errDiscoveryTenant is errTenant as the discovery endpoints word it.
func errDiscoveryTenant(name string) *Error {
	e := errTenant(name)
	e.Code = "invalid_tenant"
	return e
}

// errSharedTenant refuses a grant type that needs the tenant in the path.
func errSharedTenant() *Error {
	return invalidRequest(9001023, "The grant type is not supported over the /common, /organizations or /consumers endpoints. Please use the tenant-specific endpoint.")
}

func errInstance() *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_instance", Number: 50049, Text: "Unknown or invalid instance."}
}

func errGrantType(got string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "unsupported_grant_type", Number: 70003,
		Text: fmt.Sprintf("The app requested an unsupported grant type '%s'.", quote(got)),
	}
}

func errNoCredential() *Error {
	return invalidClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
}

// unknownApplication is the number of errUnknownApplication.
const unknownApplication = 700016

func errUnknownApplication(app, tenantName string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "unauthorized_client", Number: unknownApplication,
		Text: fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", quote(app), tenantName),
	}
}

func errWrongSecret(app string) *Error {
	return invalidClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", quote(app))
}

func errExpiredSecret(app string) *Error {
	return invalidClient(7000222, "The provided client secret keys for app '%s' are expired. Add a new secret to the application.", quote(app))
}

func errDisabled(app, name string) *Error {
	e := invalidClient(7000112, "Application '%s'(%s) is disabled.", quote(app), name)
	e.Code = "unauthorized_client"
	return e
}

// errThrottled refuses a request beyond a limit, for example after too many wrong secrets.
func errThrottled(wait time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Number: 90055,
		Text: "There are too many incoming requests. Please try again later.", RetryAfter: wait,
	}
}

func errResource(resource, tenantName string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "invalid_resource", Number: 500011,
		Text: fmt.Sprintf("The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", quote(resource), tenantName),
	}
}

func errScope(scope string) *Error {
	return invalidScope(70011, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", quote(scope))
}

func errScopeNotDefault(scope string) *Error {
	return invalidScope(1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", quote(scope))
}

// errInternal maps unexpected errors to 500, or to 503 if the store is temporarily unavailable.
func errInternal(err error) *Error {
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrOutdated):
		return errTransient(time.Second)
	case errors.Is(err, store.ErrUnavailable):
		return errTransient(10 * time.Second)
	}
	return errServer()
}

// errTransient refuses a request that may succeed after wait.
func errTransient(wait time.Duration) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Number: 90033,
		Text: "A transient error has occurred. Please try again.", RetryAfter: wait,
	}
}

// errServer is the error for clients when the server has a fault.
func errServer() *Error {
	return &Error{
		Status: http.StatusInternalServerError, Code: "server_error", Number: 50000,
		Text: "There was an error issuing a token or an issue with our sign-in service.",
	}
}
