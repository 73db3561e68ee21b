package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// FederatedCredential is a federated identity credential: tokens of another issuer in which an application or a
// managed identity trusts.
type FederatedCredential struct {
	Issuer, Subject string // Subject is empty if an expression is in its place
	Audiences       []string
}

// refuseManagedIdentity refuses a client that is a managed identity: it has no secret and no certificate, and
// assertions of other issuers are not exchanged yet. The refusal says what is wrong with the credential. It
// returns nil if the client id is not of a managed identity.
func (h *tokens) refuseManagedIdentity(req *tokenRequest) error {
	var p directory.ServicePrincipal
	err := h.Directory.Store.View(req.r.Context(), func(tx store.Tx) (err error) {
		p, err = h.Directory.ClientPrincipal(tx, req.tenant.ID, req.clientID)
		return ifFound(err)
	})
	switch {
	case err != nil:
		return fmt.Errorf("find managed identity: %w", err)
	case p.Type != directory.TypeManagedIdentity:
		return nil
	case req.clientSecret != "":
		return errWrongSecret(req.clientID)
	case req.assertion == "":
		return errNoCredential()
	case req.assertionType != jwtBearer:
		return errUnsupportedValue("client_assertion_type", req.assertionType)
	}
	a, err := token.ParseAssertion(string(req.assertion))
	if err != nil {
		return errAssertionMalformed(err)
	}
	return h.refuseForeign(req.r.Context(), a, p)
}

// refuseForeign refuses an assertion of another issuer with the first part that no federated credential
// matches: issuer, subject, audience.
func (h *tokens) refuseForeign(ctx context.Context, a *token.Assertion, p directory.ServicePrincipal) error {
	var all []FederatedCredential
	if h.Federated != nil {
		var err error
		if all, err = h.Federated(ctx, p); err != nil {
			return fmt.Errorf("list federated credentials: %w", err)
		}
	}
	if len(all) == 0 {
		return errNoFederated(p.DisplayName)
	}
	all = slices.DeleteFunc(all, func(f FederatedCredential) bool { return f.Issuer != a.Issuer })
	if len(all) == 0 {
		return errFederated(700211, "issuer", a.Issuer)
	}
	folded := slices.ContainsFunc(all, func(f FederatedCredential) bool { return arm.SameName(f.Subject, a.Subject) })
	all = slices.DeleteFunc(all, func(f FederatedCredential) bool { return f.Subject != "" && f.Subject != a.Subject })
	switch {
	case len(all) == 0 && folded:
		return errFederatedCase(a.Subject)
	case len(all) == 0:
		return errFederated(700213, "subject", a.Subject)
	case !slices.ContainsFunc(all, func(f FederatedCredential) bool {
		return slices.ContainsFunc(f.Audiences, func(one string) bool { return slices.Contains(a.Audience, one) })
	}):
		return errFederated(700212, "audience", strings.Join(a.Audience, ","))
	}
	return errNotExchanged()
}

// foreign reports whether an assertion claims to be of another issuer than the application itself.
func foreign(a *token.Assertion, c client) bool {
	return strings.HasPrefix(a.Issuer, "https://") && !arm.SameName(a.Issuer, c.AppID)
}

func errNoFederated(name string) *Error {
	return invalidClient(70025, "The client '%s' has no configured federated identity credentials.", quote(name))
}

func errFederated(number int, claim, value string) *Error {
	return invalidClient(number, "No matching federated identity record found for presented assertion %s '%s'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", claim, quote(value))
}

func errFederatedCase(subject string) *Error {
	return invalidClient(7002138, "No matching federated identity record found for presented assertion subject '%s'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. See documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation.", quote(subject))
}

// errNotExchanged refuses an assertion that matches a federated credential, as far as can be told without its
// issuer's keys.
func errNotExchanged() *Error {
	return invalidRequest(90023, "The presented assertion is of another issuer. This server does not exchange such assertions for federated identity credentials yet.")
}

// errNoPrincipal refuses an application that is registered and has no service principal in the tenant. The token
// endpoint says invalid_client.
func errNoPrincipal(app, tenant string) *Error {
	return invalidRequest(noPrincipal, "The client application %s is missing service principal in the tenant %s. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119", quote(app), tenant)
}

// noPrincipal is the number of errNoPrincipal.
const noPrincipal = 7000229

// unusable returns the token endpoint's refusal of a client id under which findClient finds no client.
func (h *tokens) unusable(req *tokenRequest, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Number {
	case noPrincipal:
		return invalidClient(noPrincipal, "%s", e.Text)
	case unknownApplication:
		return cmp.Or(h.refuseManagedIdentity(req), err)
	}
	return err
}
