package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/token"
)

// issuedHere reports whether an assertion names this server as its issuer. It is verified with the server's own keys,
// and never with keys that the network could deliver.
func (a *accounts) issuedHere(asserted *token.Assertion) bool {
	rest, found := strings.CutPrefix(asserted.Issuer, a.issuer().Origin)
	return found && strings.HasPrefix(rest, "/")
}

// underOwnName returns the assertion with the tenant's issuer as this server names it, if it has Azure's name of that
// issuer, as id_tokens have of clients that use Azure's host names.
func (a *accounts) underOwnName(tenant directory.Tenant, asserted *token.Assertion) *token.Assertion {
	own := a.ownName(tenant, asserted.Issuer)
	if own == asserted.Issuer {
		return asserted
	}
	renamed := *asserted
	renamed.Issuer = own
	return &renamed
}

// ownName returns this server's name of an issuer under Azure's name, if it is an issuer of the tenant.
// Azure's documentation and templates have Azure's name in credentials for managed identities.
func (a *accounts) ownName(tenant directory.Tenant, issuer string) string {
	if rest, found := strings.CutPrefix(issuer, "https://"+azure.LoginHost+"/"); found && rest == arm.Fold(tenant.ID)+"/v2.0" {
		return a.issuer().IssuerV2(tenant.ID)
	}
	if rest, found := strings.CutPrefix(issuer, "https://sts.windows.net/"); found && rest == arm.Fold(tenant.ID)+"/" {
		return a.issuer().IssuerV1(tenant.ID)
	}
	return issuer
}

// federateOwn is federate for an assertion that this server has issued. The only such token that is accepted is that of a managed
// identity of the same tenant, for the exchange of tokens, from the metadata service. A token that came out of an
// exchange is refused, so that chains of identities have one link.
func (a *accounts) federateOwn(ctx context.Context, p presented, all []federation.Credential) (none federation.Credential, err error) {
	named := make([]federation.Credential, len(all))
	for i, c := range all {
		c.Issuer = a.ownName(p.tenant, c.Issuer)
		named[i] = c
	}
	// 1. A credential names this issuer, and the issuer is the one of managed identities of the tenant.
	_, m := federation.Match(named, p.assertion)
	switch issuer := p.assertion.Issuer; {
	case m != nil && m.Field == federation.Issuer:
		return none, errMismatch(m)
	case issuer == a.issuer().IssuerV1(p.tenant.ID):
		return none, errOwnAudience(strings.Join(p.assertion.Audience, ","))
	case issuer != a.issuer().IssuerV2(p.tenant.ID):
		return none, errOwnTenant(issuer)
	}
	// 2. The signature and the times.
	claims, err := a.Tokens.Verify(ctx, p.raw)
	if err != nil {
		return none, errOwnUnverified(p.assertion, err)
	}
	// 3. The kind of the token.
	if err := a.checkManagedToken(ctx, p.tenant, claims); err != nil {
		return none, err
	}
	// 4. Subject and audience.
	return matchOwn(named, p.assertion)
}

// matchOwn is Match for a token whose audience is the client id of the resource that credentials name by its URI.
func matchOwn(all []federation.Credential, a *token.Assertion) (found federation.Credential, err error) {
	if len(a.Audience) != 1 {
		return found, errOwnMismatch(strings.Join(a.Audience, ","))
	}
	uri, known := federation.ExchangeURI(a.Audience[0])
	if !known {
		return found, errOwnMismatch(a.Audience[0])
	}
	meant := *a
	meant.Audience = []string{uri}
	found, m := federation.Match(all, &meant)
	switch {
	case m == nil:
		return found, nil
	case m.Field == federation.Audience:
		return found, errCredentialAudience(uri).because(m)
	}
	return found, errMismatch(m)
}

// checkManagedToken refuses a verified token that is not of a managed identity from the metadata service, or whose
// identity is gone, disabled or had its tokens revoked.
func (a *accounts) checkManagedToken(ctx context.Context, tenant directory.Tenant, claims *token.Claims) error {
	if claims.IdentityType != "app" || claims.Scopes != "" {
		return errOwnToken()
	}
	var p directory.ServicePrincipal
	err := a.Directory.Store.Recent(ctx, func(tx store.Tx) (err error) {
		p, err = a.Directory.ServicePrincipal(tx, tenant.ID, claims.ObjectID)
		return err
	})
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return errUnknownApplication(claims.AppID, tenant.DisplayName)
	case err != nil:
		return fmt.Errorf("find the managed identity of a token: %w", err)
	case p.Type != directory.TypeManagedIdentity || p.AppID != claims.AppID:
		return errOwnNotManaged()
	case !userAssigned(p):
		return errOwnToken()
	case !claims.Attested:
		return notAttested(claims)
	case !p.Enabled:
		return errDisabled(p.AppID, p.DisplayName)
	case claims.Issued.Before(p.ValidFrom):
		return errRevoked()
	}
	return nil
}

// userAssigned reports whether a managed identity is user-assigned. Credentials cannot trust a system-assigned one.
func userAssigned(p directory.ServicePrincipal) bool {
	id, err := arm.ParseID(p.ResourceID)
	return err == nil && id.Type().Is("Microsoft.ManagedIdentity/userAssignedIdentities")
}

// notAttested refuses a managed identity's token that is for another resource, or that came out of an exchange.
func notAttested(claims *token.Claims) error {
	if _, found := federation.ExchangeURI(claims.Audience); !found {
		return errOwnMismatch(claims.Audience)
	}
	return errOwnChain()
}

// errOwnUnverified refuses a token of this issuer that is not valid.
func errOwnUnverified(a *token.Assertion, err error) error {
	var late *token.ExpiredError
	switch {
	case errors.As(err, &late):
		return errAssertionTime(late.Now, a.NotBefore, a.Expires).because(err)
	case errors.Is(err, token.ErrUnknownKey):
		return errIssuerKey(a.Kid, a.Issuer).because(err)
	case errors.Is(err, token.ErrSignature):
		return errAssertionSignature().because(err)
	case errors.Is(err, token.ErrMalformed), errors.Is(err, token.ErrBound), errors.Is(err, token.ErrIssuer), errors.Is(err, token.ErrNotYetValid):
		return errOwnToken().because(err)
	}
	return err
}
