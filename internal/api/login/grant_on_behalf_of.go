package login

import (
	"midas/internal/arm"
	"midas/internal/token"
)

// onBehalf is the grant type of the on-behalf-of flow.
const onBehalf = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// onBehalfOf issues tokens to a service for the user who has called it. The service proves the call with
// the access token that it got.
func (h *tokens) onBehalfOf(req *tokenRequest) (*granted, error) {
	// 1. The parameters.
	switch {
	case req.userAssertion == "":
		return nil, errMissingParameter("assertion")
	case req.tokenUse == "":
		return nil, errMissingParameter("requested_token_use")
	case req.tokenUse != "on_behalf_of":
		return nil, errUnsupportedValue("requested_token_use", req.tokenUse)
	}
	s, err := req.scopes("")
	if err != nil {
		return nil, err
	}
	// 2. The client.
	c, err := h.authenticate(req)
	if err == nil {
		err = c.confidential()
	}
	if err != nil {
		return nil, err
	}
	// 3. The user who has called.
	call, err := h.called(req, c)
	if err != nil {
		return nil, err
	}
	u, err := h.returning(req.r.Context(), call.TenantID, call.ObjectID, call.Issued)
	if err != nil {
		return nil, err
	}
	// 4. The tokens.
	given, err := h.issueTokens(req, c, u, s, "")
	if err == nil && s.offline {
		g := u.grant(c.AppID, storedScope(s))
		g.Confidential = true
		given.refreshToken, err = h.Grants.Begin(req.r.Context(), g)
	}
	return given, err
}

// called verifies the access token with which the client was called. It must be a token of this server for
// this client and of a user of this tenant.
func (h *tokens) called(req *tokenRequest, c client) (*token.Claims, error) {
	claims, err := h.Tokens.Verify(req.r.Context(), req.userAssertion)
	if e, over := expired(err); over {
		return nil, errAssertionExpired(e.Now, e.Expired)
	}
	if err != nil {
		return nil, errAssertionUnsound(err)
	}
	switch {
	case !h.Directory.HasIdentifier(c.Application, claims.Audience):
		return nil, errAssertionForOther(claims.Audience, c.AppID, c.DisplayName, c.IdentifierURIs)
	case !arm.SameName(claims.TenantID, req.tenant.ID):
		return nil, errOtherTenant()
	case claims.Scopes == "":
		return nil, errApplicationOBO(c.AppID)
	}
	return claims, nil
}
