package lab

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// presets are faults that Azure's documentation describes, by name. Sources: "How to use managed identities on a VM to
// get an access token" for the metadata service (404, 410 and 429 while it is updated or asked too often, 5xx), and
// "Understand how Azure Resource Manager throttles requests".
func presets() map[string]rule {
	imds := match{API: "metadata"}
	return map[string]rule{
		"imds-404":          {Match: imds, Status: http.StatusNotFound},
		"imds-410":          {Match: imds, Status: http.StatusGone},
		"imds-429":          {Match: imds, Status: http.StatusTooManyRequests},
		"imds-500":          {Match: imds, Status: http.StatusInternalServerError},
		"imds-slow":         {Match: imds, Delay: duration(2 * time.Second)},
		"throttled":         {Match: match{API: "arm"}, Status: http.StatusTooManyRequests, RetryAfter: duration(2 * time.Second)},
		"arm-500":           {Match: match{API: "arm"}, Status: http.StatusInternalServerError},
		"arm-503":           {Match: match{API: "arm"}, Status: http.StatusServiceUnavailable, RetryAfter: duration(time.Second)},
		"graph-throttled":   {Match: match{API: "graph"}, Status: http.StatusTooManyRequests, RetryAfter: duration(2 * time.Second)},
		"graph-503":         {Match: match{API: "graph"}, Status: http.StatusServiceUnavailable},
		"login-throttled":   {Match: match{API: "login"}, Status: http.StatusTooManyRequests, RetryAfter: duration(2 * time.Second)},
		"login-unavailable": {Match: match{API: "login"}, Status: http.StatusServiceUnavailable},
		"connection-reset":  {Reset: true},
		"slow-body":         {SlowBody: duration(2 * time.Second)},
	}
}

// presetNames are the names of the presets, sorted.
func presetNames() []string { return slices.Sorted(maps.Keys(presets())) }

// answerText is a code and a message.
type answerText struct{ code, message string }

// texts are the codes and messages of Azure's errors, by API and status.
func texts() map[string]map[int]answerText {
	return map[string]map[int]answerText{
		"management": {
			http.StatusTooManyRequests:     {"SubscriptionRequestsThrottled", "Number of requests for the subscription exceeded the backend storage limit. Please try again later."},
			http.StatusInternalServerError: {"InternalServerError", "Encountered internal server error."},
			http.StatusServiceUnavailable:  {"ServerTimeout", "The request timed out."},
			http.StatusGatewayTimeout:      {"GatewayTimeout", "The gateway did not receive a response from the resource provider within the specified time period."},
			http.StatusConflict:            {"Conflict", "Another operation on this or a dependent resource is in progress."},
		},
		"graph": {
			http.StatusTooManyRequests:     {"TooManyRequests", "Too many requests."},
			http.StatusInternalServerError: {"InternalServerError", "An internal server error occurred."},
			http.StatusServiceUnavailable:  {"serviceNotAvailable", "The service is not available. Please try again."},
			http.StatusForbidden:           {"Authorization_RequestDenied", "Insufficient privileges to complete the operation."},
		},
		"login": {
			http.StatusTooManyRequests:     {"AADSTS90055", "There are too many incoming requests from this tenant."},
			http.StatusInternalServerError: {"AADSTS50000", "There was an error issuing a token or an issue with our sign-in service."},
			http.StatusServiceUnavailable:  {"AADSTS90033", "A transient error has occurred. Please try again."},
		},
		"metadata": {
			http.StatusNotFound:            {"not_found", "Not found"},
			http.StatusGone:                {"gone", "The instance metadata service is being updated. It will be available again within 70 seconds"},
			http.StatusTooManyRequests:     {"too_many_requests", "Too many requests"},
			http.StatusInternalServerError: {"unknown", "Failed to retrieve token from the Active directory. For details see logs in the agent"},
		},
	}
}

// defaults returns the code and the message of an error that a rule does not name.
func defaults(api string, status int) (code, message string) {
	if t, known := texts()[api][status]; known {
		return t.code, t.message
	}
	switch api {
	case "login":
		if status < http.StatusInternalServerError {
			return "AADSTS9002313", "Invalid request. Request is malformed or invalid."
		}
		return "AADSTS90033", "A transient error has occurred. Please try again."
	case "metadata":
		return "unknown", http.StatusText(status)
	}
	return pascal(http.StatusText(status)), http.StatusText(status) + "."
}

// pascal returns a text without spaces and other characters that a code has not.
func pascal(text string) string {
	code := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			code = append(code, c)
		}
	}
	if len(code) == 0 {
		return "Fault"
	}
	return string(code)
}
