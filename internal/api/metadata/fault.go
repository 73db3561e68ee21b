package metadata

import (
	"errors"
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/host"
)

// kind is a kind of refusal for which some protocols have texts or codes of their own.
type kind uint8

const (
	kindOther kind = iota
	kindNotFound
	kindVersion
	kindSecret
	kindAudience // the request has no audience
	kindIdentity
	kindSeveral
)

// fault is a refusal. Its code is one of OAuth 2.0 or of the metadata service. The protocol decides which of the
// fields the client gets.
type fault struct {
	kind     kind
	status   int
	code     string
	text     string
	header   http.Header
	versions []string // the newest ones, for a request with a bad version
	cause    error    // only logged
}

// Error implements error.
func (f *fault) Error() string { return f.code + ": " + f.text }

const invalidRequest = "invalid_request"

func badRequest(text string) *fault {
	return &fault{status: http.StatusBadRequest, code: invalidRequest, text: text}
}

// as sets the kind of a refusal.
func (f *fault) as(k kind) *fault {
	f.kind = k
	return f
}

func errNotFound() *fault {
	return &fault{kind: kindNotFound, status: http.StatusNotFound, code: "not_found", text: "Not found"}
}

func errMethod(allowed string) *fault {
	return &fault{status: http.StatusMethodNotAllowed, code: "method_not_allowed", text: "Method not allowed", header: http.Header{"Allow": {allowed}}}
}

func errHost() *fault {
	return &fault{status: http.StatusForbidden, code: "forbidden_host", text: "The request names a host that is not this one"}
}

func errForwarded() *fault { return badRequest("Requests with a header X-Forwarded-For are refused") }

func errMetadataHeader() *fault { return badRequest("Required metadata header not specified") }

func errQuery() *fault { return badRequest("The query cannot be read") }

func errDuplicate() *fault { return badRequest("Query parameters must not be repeated") }

func errNoAudience() *fault {
	return badRequest("Required audience parameter not specified").as(kindAudience)
}

func errSeveralSelectors() *fault {
	return badRequest("Only one of client_id, object_id and msi_res_id may be specified")
}

func errAudience() *fault {
	return &fault{status: http.StatusBadRequest, code: "invalid_resource", text: "The audience cannot be put into a token"}
}

// errScopeAsAudience is the token endpoint's refusal of a resource that does not exist.
func errScopeAsAudience(audience string) *fault {
	return &fault{
		status: http.StatusBadRequest, code: "invalid_resource",
		text: "AADSTS500011: The resource principal named " + audience + " was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
	}
}

// errRefusedByResource is the refusal of an audience by the token endpoint, with the texts of the token endpoint.
func errRefusedByResource(cause error) *fault {
	if errors.Is(cause, host.ErrResourceDisabled) {
		return &fault{
			status: http.StatusBadRequest, code: "invalid_resource", cause: cause,
			text: "AADSTS500014: The service principal for the resource is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it.",
		}
	}
	return &fault{
		status: http.StatusBadRequest, code: "invalid_grant", cause: cause,
		text: "AADSTS501051: The identity is not assigned to a role for the application of the resource.",
	}
}

func errSeveral() *fault {
	return badRequest("Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request").as(kindSeveral)
}

func errIdentity(cause error) *fault {
	f := badRequest("Identity not found").as(kindIdentity)
	f.cause = cause
	return f
}

func errVersion(newest ...string) *fault {
	return &fault{
		kind: kindVersion, status: http.StatusBadRequest, code: "invalid_api_version", versions: newest,
		text: "Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds",
	}
}

func errSecret(status int) *fault {
	return &fault{kind: kindSecret, status: status, code: "access_denied", text: "The header that proves the caller is missing or wrong"}
}

func errLimit() *fault {
	return &fault{status: http.StatusTooManyRequests, code: "too_many_requests", text: "Too many requests", header: http.Header{"Retry-After": {"1"}}}
}

// errAway answers while the server cannot be reached or is not available. Clients try again after any 5xx.
func errAway(cause error) *fault {
	f := errInternal(cause)
	f.status, f.header = http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}}
	return f
}

func errInternal(cause error) *fault {
	return &fault{
		status: http.StatusInternalServerError, code: "unknown", cause: cause,
		text: "Failed to retrieve token from the Active directory. For details see the log of the agent",
	}
}

// errInjected is a fault of a laboratory.
func errInjected(f *httpx.Fault) *fault {
	injected := &fault{status: f.Status, code: f.Code, text: f.Message, header: f.Header(), cause: f}
	if f.Status == http.StatusNotFound {
		injected.kind = kindNotFound
	}
	return injected
}
