package verify

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The reasons to refuse a request, for errors.Is. An error that wraps one of them may add details, which are for
// logs and not for the caller. No error contains a token.
var (
	ErrNoToken     = errors.New("the request has no bearer token")
	ErrRequest     = errors.New("the request does not present one bearer token in one Authorization header")
	ErrMalformed   = errors.New("the token is malformed")
	ErrAlgorithm   = errors.New("the token is not signed with RS256")
	ErrUnknownKey  = errors.New("the token is signed with a key that the issuer does not publish")
	ErrSignature   = errors.New("the signature of the token is wrong")
	ErrIssuer      = errors.New("the token has another issuer")
	ErrTenant      = errors.New("the token is of another tenant")
	ErrAudience    = errors.New("the token is for another audience")
	ErrExpired     = errors.New("the token has expired")       // as *ExpiredError
	ErrNotYetValid = errors.New("the token is not valid yet")  // by nbf or iat
	ErrBound       = errors.New("the token is bound to a key") // cnf; such a token is not a bearer token
	ErrIDToken     = errors.New("the token is not an access token")
	ErrRevoked     = errors.New("the token was revoked")
	ErrForbidden   = errors.New("the token does not give the required rights")    // as *RequirementError
	ErrUnavailable = errors.New("tokens of the issuer cannot be checked for now") // as *UnavailableError
)

// reasons are the errors above in the order in which describe looks for them.
var reasons = [...]error{
	ErrNoToken, ErrRequest, ErrMalformed, ErrAlgorithm, ErrUnknownKey, ErrSignature, ErrIssuer, ErrTenant, ErrAudience,
	ErrExpired, ErrNotYetValid, ErrBound, ErrIDToken, ErrRevoked, ErrForbidden, ErrUnavailable,
}

// ExpiredError says when a token expired. It is ErrExpired for errors.Is.
type ExpiredError struct {
	Expired time.Time // exp
	Now     time.Time // when the token was presented
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("%v: at %s, it is %s", ErrExpired, e.Expired.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// Unwrap returns ErrExpired.
func (e *ExpiredError) Unwrap() error { return ErrExpired }

// RequirementError says which requirement a good token does not meet. It is ErrForbidden for errors.Is.
type RequirementError struct {
	Requirement string   // in words, such as `one of the roles "Orders.Read"`
	Scopes      []string // the scopes that would meet the requirement, for the challenge of RFC 6750
}

func (e *RequirementError) Error() string { return ErrForbidden.Error() + ": " + e.Requirement }

// Unwrap returns ErrForbidden.
func (e *RequirementError) Unwrap() error { return ErrForbidden }

// UnavailableError says what a Verifier lacks to decide. It is ErrUnavailable for errors.Is.
type UnavailableError struct {
	Lacks string    // "set of signing keys", "list of revocations" or "open verifier"
	Since time.Time // when the Verifier last had it from the issuer
	Err   error     // why the last attempt to fetch it failed, or nil
}

func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("%v: there is no fresh %s since %s", ErrUnavailable, e.Lacks, e.Since.UTC().Format(time.RFC3339))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns ErrUnavailable, and not Err: a list that is malformed says nothing about the token.
func (e *UnavailableError) Unwrap() error { return ErrUnavailable }

// HTTPStatus returns the status with which a service answers a request that was refused with err: 400 for
// ErrRequest, 403 for ErrForbidden, 503 for ErrUnavailable and for an error of the context, 401 for others
// (RFC 6750, 3.1). It is 200 for nil.
func HTTPStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	switch code(err) {
	case invalidRequest:
		return http.StatusBadRequest
	case insufficientScope:
		return http.StatusForbidden
	case unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// The error codes of RFC 6750, 3.1, and of RFC 6749, 4.1.2.1.
const (
	invalidRequest    = "invalid_request"
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
	unavailable       = "temporarily_unavailable"
)

// code returns the error code of a refusal. It is empty for a request without a token, as RFC 6750 requires.
func code(err error) string {
	reason := describe(err)
	switch reason {
	case ErrNoToken:
		return ""
	case ErrRequest:
		return invalidRequest
	case ErrForbidden:
		return insufficientScope
	case ErrUnavailable, nil:
		return unavailable
	}
	return invalidToken
}

// describe returns the reason that err wraps, or nil. Its text is fixed, so a caller may see it.
func describe(err error) error {
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return nil
}

// quote returns a text of a token or of a document for an error, shortened and with escaped control characters.
func quote(text string) string {
	const longest = 100
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
