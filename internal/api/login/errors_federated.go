package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"midas/internal/federation"
	"midas/internal/token"
)

// The errors about assertions of other issuers. Their numbers and texts are those on which clients and their users
// search; what a credential has never stands in them.

// The pages to which the texts refer.
const (
	federationDocs    = "https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"
	federationLearn   = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	federationChanges = "https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024"
)

// The parts of the texts that say what to check.
const (
	noRecord    = "No matching federated identity record found for presented assertion "
	checkRecord = "heck your federated identity credential Subject, Audience and Issuer against the presented assertion. "
)

// entraSubject begins the subjects of tokens that Entra issues for its own services.
const entraSubject = "/eid1/c/pub/t/"

func errNoFederated(name string) *Error {
	return invalidClient(70025, "The client '%s' has no configured federated identity credentials.", quote(name))
}

// errMismatch refuses an assertion that no credential matches.
func errMismatch(m *federation.Mismatch) *Error {
	value := quoteLong(m.Presented)
	switch m.Field {
	case federation.Issuer:
		return invalidClient(700211, noRecord+"issuer '%s'. Please c"+checkRecord+federationDocs, value).because(m)
	case federation.Audience:
		return invalidClient(700212, noRecord+"audience '%s'. Please c"+checkRecord+federationDocs, value).because(m)
	}
	return errSubject(m).because(m)
}

func errSubject(m *federation.Mismatch) *Error {
	value := quoteLong(m.Presented)
	if rest, found := strings.CutPrefix(m.Presented, entraSubject); found {
		_, rest, _ = strings.Cut(rest, "/")
		return invalidClient(7002137, noRecord+"subject '%s'. Please make sure the federated identity credential Subject is '"+entraSubject+"{tenantId}/%s'.", value, quoteLong(rest))
	}
	if m.OnlyCase {
		return invalidClient(7002138, noRecord+"subject '%s'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. C"+checkRecord+
			"See documentation at: "+federationLearn+". See breaking change notification and remediation at: "+federationChanges+". ", value)
	}
	return invalidClient(700213, noRecord+"subject '%s'. C"+checkRecord+federationLearn, value)
}

// errIssuer refuses an assertion that was not verified with its issuer's keys.
func errIssuer(a *token.Assertion, err error) error {
	var e *federation.IssuerError
	if !errors.As(err, &e) {
		return fmt.Errorf("verify assertion: %w", err)
	}
	switch e.Reason {
	case federation.UnknownKey:
		return errIssuerKey(e.Kid, e.Issuer).because(err)
	case federation.Signature:
		return errAssertionSignature().because(err)
	case federation.HeaderType:
		return errHeaderType().because(err)
	case federation.Algorithm:
		return errAlgorithm(a.Algorithm).because(err)
	}
	return errExternalIssuer().because(err)
}

func errExternalIssuer() *Error {
	return invalidRequest(501661, "Request to External OIDC endpoint failed.")
}

// errIssuerKey names the key as Entra does: by the bytes of the kid in hexadecimal.
func errIssuerKey(kid, issuer string) *Error {
	if data, err := base64.RawURLEncoding.Strict().DecodeString(kid); err == nil && len(data) > 0 {
		kid = fmt.Sprintf("%X", data)
	}
	return invalidClient(7000272, "The certificate with identifier %s used to sign the federated credential could not be found in the metadata of identity provider %s. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token.",
		quote(kid), quoteLong(issuer))
}

func errAssertionSignature() *Error {
	return errAssertionKey("The provided signature value did not match the expected signature value.")
}

func errHeaderType() *Error {
	return invalidRequest(5002727, "Invalid JWT header type specified, must be 'JWT' or 'http://openid.net/specs/jwt/1.0'.")
}

func errAlgorithm(algorithm string) *Error {
	return invalidRequest(5002738, "Invalid JWT token. '%s' is not a supported signature algorithm. Supported signing algorithms are: 'RS256'", quote(algorithm))
}

// errEnterprise refuses a token of an issuer that must name one of the operator's enterprises.
func errEnterprise(issuer string, wanted []string, got string) *Error {
	list := "'" + strings.Join(wanted, "', '") + "'"
	if last := strings.LastIndex(list, ", "); last > 0 {
		list = list[:last] + " or " + list[last+2:]
	}
	return invalidClient(7002381, "Federated identity credentials issued by '%s' for applications or managed identities registered in this tenant must contain the enterprise claim with value %s but actual value is '%s'.",
		quoteLong(issuer), list, quote(got))
}

// The errors about tokens that this server has issued itself.

func errOwnToken() *Error {
	return invalidClient(700222, "AAD-issued tokens may not be used for federated identity flows.")
}

func errOwnNotManaged() *Error {
	return invalidClient(700226, "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer.")
}

func errOwnAudience(audience string) *Error {
	return invalidClient(700227, "Forbidden token audience '%s'.", quoteLong(audience))
}

func errOwnTenant(issuer string) *Error {
	return invalidClient(700236, "Entra ID tokens issued by issuer '%s' may not be used for federated identity credential flows for applications or managed identities registered in this tenant.", quoteLong(issuer))
}

func errOwnChain() *Error {
	return invalidClient(700231, "Token obtained using a federated identity credential may not be used as a federated identity credential.")
}

// errOwnMismatch refuses a managed identity's token for another resource.
func errOwnMismatch(audience string) *Error {
	return invalidClient(7002121, noRecord+"audience '%s'. Please c"+checkRecord+federationDocs, quoteLong(audience))
}

// errCredentialAudience refuses a credential that names the resource for the exchange otherwise than by its URI.
func errCredentialAudience(uri string) *Error {
	return invalidClient(700214, "The audience of a federated identity credential for tokens of this issuer must be '%s'.", uri)
}

// quoteLong is quote for values that a credential can have, so that they can be compared in full.
func quoteLong(s string) string {
	const most = 600 // characters
	left := most
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i := range s {
		if left--; left < 0 {
			return s[:i] + "..."
		}
	}
	return s
}
