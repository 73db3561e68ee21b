package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/token"
)

// Issuers verifies assertions of outside issuers. Outside of tests it is a *federation.Issuers.
type Issuers interface {
	// Verify returns nil if a key of the assertion's issuer has signed it, and otherwise a *federation.IssuerError or
	// the error of a context that has ended. It does not look at times, subject and audience.
	Verify(ctx context.Context, a *token.Assertion) error

	// Enterprises returns the values of the claim enterprise, one of which a token of the issuer must have. It returns
	// none if the operator demands none.
	Enterprises(issuer string) []string
}

// managed reports whether the client is a managed identity.
func (c client) managed() bool { return c.principal.Type == directory.TypeManagedIdentity }

// foreign reports whether an assertion is of another issuer than the client itself. All assertions of a managed
// identity are.
func foreign(a *token.Assertion, c client) bool {
	return c.managed() || strings.Contains(a.Issuer, "://") && !arm.SameName(a.Issuer, c.AppID)
}

// presented is an assertion of another issuer that a client has presented.
type presented struct {
	tenant    directory.Tenant
	client    client
	assertion *token.Assertion
	raw       string
}

// federate finds the federated credential of the client that an assertion of another issuer matches, and checks that
// its issuer has signed it and that it is valid now. Before a credential matches, nothing is asked from the issuer.
// Unlike an assertion of the client itself, it may be presented any number of times, because a workload cannot have a
// new one for each request. The causes of errors are *federation.Mismatch and *federation.IssuerError.
func (a *accounts) federate(ctx context.Context, p presented) (federation.Credential, error) {
	found, err := a.federateAsOf(ctx, p)
	var m *federation.Mismatch
	if errors.As(err, &m) { // another replica may have got the credential a moment ago
		return a.federateAsOf(store.Fresh(ctx), p)
	}
	return found, err
}

// federateAsOf is federate with the credentials that a read in ctx shows.
func (a *accounts) federateAsOf(ctx context.Context, p presented) (federation.Credential, error) {
	var all []federation.Credential
	if a.Federated != nil {
		var err error
		if all, err = a.Federated(ctx, p.client.principal); err != nil {
			return federation.Credential{}, fmt.Errorf("list federated credentials: %w", err)
		}
	}
	if len(all) == 0 {
		return federation.Credential{}, errNoFederated(p.client.DisplayName).because(&federation.Mismatch{})
	}
	p.assertion = a.underOwnName(p.tenant, p.assertion)
	if a.issuedHere(p.assertion) {
		return a.federateOwn(ctx, p, all)
	}
	found, m := federation.Match(all, p.assertion)
	if m != nil {
		return federation.Credential{}, errMismatch(m)
	}
	if a.Issuers == nil {
		return federation.Credential{}, errExternalIssuer()
	}
	if err := a.Issuers.Verify(ctx, p.assertion); err != nil {
		return federation.Credential{}, errIssuer(p.assertion, err)
	}
	if err := a.checkEnterprise(p.assertion); err != nil {
		return federation.Credential{}, err
	}
	if now := a.Now(); !federation.InTime(p.assertion, now) {
		return federation.Credential{}, errAssertionTime(now, p.assertion.NotBefore, p.assertion.Expires)
	}
	return found, nil
}

// checkEnterprise refuses an assertion that lacks the claim that the operator demands of its issuer.
func (a *accounts) checkEnterprise(asserted *token.Assertion) error {
	wanted := a.Issuers.Enterprises(asserted.Issuer)
	got, _ := asserted.Claim("enterprise")
	if len(wanted) == 0 || slices.Contains(wanted, got) {
		return nil
	}
	return errEnterprise(asserted.Issuer, wanted, got)
}

// errNoPrincipal refuses an application that is registered and has no service principal in the tenant. The token
// endpoint says invalid_client.
func errNoPrincipal(app, tenant string) *Error {
	return invalidRequest(noPrincipal, "The client application %s is missing service principal in the tenant %s. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119", quote(app), tenant)
}

// noPrincipal is the number of errNoPrincipal.
const noPrincipal = 7000229

// tokenClient finds the client of a token request: an application, or a managed identity that asks for a token for
// itself. A managed identity has no secret and no certificate here, and presents assertions of other issuers.
func (h *tokens) tokenClient(req *tokenRequest) (client, error) {
	c, err := h.findAny(req.r.Context(), req.tenant, req.clientID)
	if err == nil && c.managed() && req.grantType != "client_credentials" {
		return client{}, errUnknownApplication(req.clientID, req.tenant.DisplayName)
	}
	var e *Error
	if err != nil && errors.As(err, &e) && e.Number == noPrincipal {
		return client{}, invalidClient(noPrincipal, "%s", e.Text)
	}
	return c, err
}
