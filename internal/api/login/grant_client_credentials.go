package login

import (
	"midas/internal/directory"
	"midas/internal/token"
)

// clientCredentials issues a token to an application for itself (RFC 6749, 4.4).
func (h *tokens) clientCredentials(req *tokenRequest) (*granted, error) {
	// 1. The client id.
	if req.clientID == "" {
		return nil, errMissingParameter("client_id")
	}
	// 2. The audience.
	audience, err := req.audience()
	if err != nil {
		return nil, err
	}
	// 3. The client's credential. Microsoft's own clients have none and get no tokens for themselves.
	c, err := h.authenticate(req)
	if err == nil {
		err = c.confidential()
	}
	if err != nil {
		return nil, err
	}
	req.ev.Caller = c.principal.ID
	// 4. The client's app roles at the resource.
	at, err := h.resource(req, audience, tokenSubject{id: c.principal.ID, client: c})
	if err != nil {
		return nil, err
	}
	// 5. The token, from the cache if possible. Its subject is the service principal, because there is no
	// user.
	t, err := h.Minter.Token(req.r.Context(), h.requestAccess(req, c, h.applicationClaims(req, c, at), c.principal.ValidFrom))
	if err != nil {
		return nil, err
	}
	return &granted{access: t}, nil
}

// applicationClaims returns the claims of an application's own token. Of the optional claims of the resource it
// has those that are not about a user.
func (h *tokens) applicationClaims(req *tokenRequest, c client, at resource) token.Claims {
	claims := token.Claims{
		Audience: at.audience, Version: at.version, Roles: at.Roles,
		Subject: c.principal.ID, ObjectID: c.principal.ID, TenantID: req.tenant.ID,
		AppID: c.principal.AppID, AppIDACR: string(c.authMethod), IdentityType: "app", Confirmation: req.cnf,
		IdentityProvider: h.issuer().IssuerV1(req.tenant.ID), WellKnownIDs: at.Memberships.Roles,
	}
	if directory.LearnsManagedIdentity(at.audience, h.issuer().Origin) {
		claims.MIResourceID = c.principal.ResourceID
	}
	if _, asked := directory.Predefined(at.Application.OptionalClaims().AccessToken, "xms_cc"); asked {
		claims.Optional = &token.OptionalClaims{Capabilities: capabilities(req.claims)}
	}
	claims.SetGroups(groups(at.Memberships, h.issuer().Origin, "servicePrincipals", c.principal.ID))
	return claims
}
