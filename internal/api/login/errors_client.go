package login

import (
	"net/http"
	"strings"
	"time"
)

// The errors about a client's own credentials.

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func errAssertionMalformed(cause error) *Error {
	return invalidClient(50027, "JWT token is invalid or malformed.").because(cause)
}

// assertionKey is the number of errAssertionKey.
const assertionKey = 700027

// errAssertionKey refuses an assertion whose signature no key of the client verifies. Clients match on the
// reason.
func errAssertionKey(reason string) *Error {
	return invalidClient(assertionKey, "Client assertion contains an invalid signature. [Reason - %s]", reason)
}

func errAssertionTime(now, from, until time.Time) *Error {
	const format = "2006-01-02T15:04:05.0000000Z"
	if from.IsZero() {
		from = time.Unix(0, 0)
	}
	return invalidClient(700024, "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		now.UTC().Format(format), from.UTC().Format(format), until.UTC().Format(format))
}

func errAssertionAudience() *Error {
	return invalidClient(700023, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .")
}

func errAssertionIssuer() *Error {
	return invalidClient(700021, "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .")
}

func errAssertionReplayed() *Error {
	return invalidClient(50012, "Authentication failed. The client assertion was used from another address before.")
}

// errPublicClient refuses a credential of a client that is public.
func errPublicClient() *Error {
	return invalidClient(700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
}

// errCrossOrigin refuses a single-page application's code or token in a request without an Origin: its
// codes are not bound to a secret.
func errCrossOrigin() *Error {
	return invalidRequest(9002327, "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.")
}

// errNoPage refuses a code or token of another kind of client in a request of a page.
func errNoPage(origin string) *Error {
	return invalidRequest(9002326, "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: '%s'.", quote(origin))
}

func errPageChallenge() *Error {
	return invalidRequest(9002325, "Proof Key for Code Exchange is required for cross-origin authorization code redemption.")
}

// errPublicChallenge refuses an authorization request of a public client without PKCE, because anybody
// who intercepts the code could redeem it (RFC 8252, 8.1).
func errPublicChallenge() *Error {
	return invalidRequest(9002325, "Proof Key for Code Exchange is required for public clients: send 'code_challenge' with 'code_challenge_method' S256.")
}

func errApplicationOBO(app string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "invalid_grant", Number: 7000114,
		Text: "Application '" + quote(app) + "' is not allowed to make application on-behalf-of calls.",
	}
}

func errAssertionUnsound(cause error) *Error {
	return invalidGrant(50013, "Assertion failed signature validation. [Reason - The key was not found.]").because(cause)
}

func errAssertionExpired(now, until time.Time) *Error {
	const format = "2006-01-02T15:04:05.0000000Z"
	return invalidGrant(500133, "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token. Current time: %s, expiry time of assertion %s.",
		now.UTC().Format(format), until.UTC().Format(format))
}

func errAssertionForOther(got, app, name string, uris []string) *Error {
	expected := "one of the Application Uris of this application"
	if len(uris) > 0 {
		expected = "'" + quote(strings.Join(uris, "', '")) + "'"
	}
	return invalidGrant(500131, "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '%s' and the expected audience is %s with App ID '%s'(%s). The downstream client must request a token for the expected audience (the application that made the OBO request) and this application should use that token as the assertion.",
		quote(got), expected, app, quote(name))
}
