package bindingproxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/api/httpx"
)

// refusal is an answer in the form of the errors of Entra's token endpoint, which the SDKs read. Its text contains no
// token.
type refusal struct {
	status int
	code   string // OAuth error code: invalid_client
	number int    // the AADSTS number
	text   string
	retry  time.Duration // 0: no Retry-After

	cause error // for the log only
}

func (e *refusal) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.number, e.text) }

// Unwrap returns the cause, which is not sent to clients.
func (e *refusal) Unwrap() error { return e.cause }

// because sets the cause, which is logged.
func (e *refusal) because(cause error) *refusal {
	e.cause = cause
	return e
}

func invalidRequest(number int, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", number: number, text: fmt.Sprintf(format, args...)}
}

func invalidClient(number int, format string, args ...any) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_client", number: number, text: fmt.Sprintf(format, args...)}
}

func errMalformed(status int) *refusal {
	e := invalidRequest(9002313, "Invalid request. Request is malformed or invalid.")
	e.status = status
	return e
}

func errMethod(accepted, got string) *refusal {
	return invalidRequest(900561, "The endpoint only accepts %s requests. Received a %s request.", accepted, quote(got))
}

func errMissing(name string) *refusal {
	return invalidRequest(900144, "The request body must contain the following parameter: '%s'.", name)
}

func errTwice(name string) *refusal {
	return errMalformed(http.StatusBadRequest).because(fmt.Errorf("the parameter %s is there twice", name))
}

func errTenant(name string) *refusal {
	return invalidRequest(90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. The identity-binding proxy of this cluster is not configured for the tenant.", quote(name))
}

func errInstance() *refusal {
	e := invalidRequest(50049, "Unknown or invalid instance.")
	e.code = "invalid_instance"
	return e
}

func errGrantType(got string) *refusal {
	e := invalidRequest(70003, "The app requested an unsupported grant type '%s'. The identity-binding proxy supports client_credentials.", quote(got))
	e.code = "unsupported_grant_type"
	return e
}

func errAssertionType(got string) *refusal {
	return invalidRequest(90023, "Unsupported '%s' value '%s'.", "client_assertion_type", quote(got))
}

func errScope(scope string) *refusal {
	e := invalidRequest(70011, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", quote(scope))
	e.code = "invalid_scope"
	return e
}

func errClientID(id string) *refusal {
	e := invalidRequest(700016, "Application with identifier '%s' was not found in the directory. The identity-binding proxy takes the client id of a managed identity or application, which is a GUID.", quote(id))
	e.code = "unauthorized_client"
	return e
}

func errNotToken() *refusal { return invalidClient(50027, "JWT token is invalid or malformed.") }

func errAudience(audience []string) *refusal {
	return invalidClient(700212, "No matching federated identity record found for presented assertion audience '%s'. The identity-binding proxy takes service-account tokens for the audience '%s'.", quote(strings.Join(audience, ",")), Audience)
}

// errNotAuthenticated refuses a token that the API server does not accept: it has expired, its signature is wrong,
// or its pod or service account was deleted.
func errNotAuthenticated() *refusal {
	return invalidClient(700027, "Client assertion contains an invalid signature. [Reason - The Kubernetes API server does not accept the service-account token. It may have expired, or its pod or service account was deleted.]")
}

func errNotAuthorized(subject, clientID string) *refusal {
	return invalidClient(700213, "No matching federated identity record found for presented assertion subject '%s'. The subject lacks the Kubernetes permission %s for %s/%s. Bind it with a ClusterRoleBinding to a ClusterRole that has the permission.",
		quote(subject), permissionVerb, permissionGroup, clientID)
}

// errBusy refuses a request when too many are at work.
func errBusy() *refusal {
	return &refusal{
		status: http.StatusTooManyRequests, code: "temporarily_unavailable", number: 90055,
		text: "There are too many incoming requests. Please try again later.", retry: time.Second,
	}
}

// errTransient refuses a request that cannot be decided now.
func errTransient(cause error) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: "temporarily_unavailable", number: 90033,
		text: "A transient error has occurred. Please try again.", retry: time.Second, cause: cause,
	}
}

// errorBody is the wire form of a refusal.
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
}

// fail answers with an error. An error that is not a refusal means that the request could not be decided.
func fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	var e *refusal
	if !errors.As(err, &e) {
		e = errTransient(err)
	}
	ev.Err, ev.ErrorCode = e, "AADSTS"+strconv.Itoa(e.number)
	if e.cause != nil {
		ev.Err = fmt.Errorf("%w (%w)", e, e.cause)
	}
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	if e.retry > 0 {
		head.Set("Retry-After", strconv.Itoa(int(e.retry/time.Second)))
	}
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	_ = httpx.WriteJSON(w, e.status, errorBody{ // encoding texts cannot fail
		Error: e.code, Codes: []int{e.number}, Timestamp: now, TraceID: ev.RequestID, CorrelationID: ev.CorrelationID,
		Description: fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", e, ev.RequestID, ev.CorrelationID, now),
	})
}

// quote makes a text of another party valid UTF-8 of at most 200 bytes.
func quote(s string) string {
	const most = 200
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
