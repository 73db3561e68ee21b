package login

import "midas/internal/token"

// clientCredentials gives an application a token for itself (RFC 6749, 4.4).
func (h *tokens) clientCredentials(req *tokenRequest) (*granted, error) {
	// 1. Who says it is asking.
	if req.clientID == "" {
		return nil, errMissingParameter("client_id")
	}
	// 2. For whom the token is to be.
	audience, err := req.audience()
	if err != nil {
		return nil, err
	}
	// 3. Whether it is who it says. What is in every tenant has no credential, and nothing of its own.
	c, err := h.authenticate(req)
	if err == nil {
		err = c.confidential()
	}
	if err != nil {
		return nil, err
	}
	req.ev.Caller = c.principal.ID
	// 4. What it is at the resource.
	at, err := h.resource(req, audience, holder{id: c.principal.ID, client: c})
	if err != nil {
		return nil, err
	}
	// 5. The token: a warm one, if there is one. Its subject is the principal itself, for there is
	// no user.
	t, err := h.Minter.Token(req.r.Context(), token.Request{
		Claims: token.Claims{
			Audience: at.audience, Version: at.version, Roles: at.roles,
			Subject: c.principal.ID, ObjectID: c.principal.ID, TenantID: req.tenant.ID,
			AppID: c.principal.AppID, AppIDACR: string(c.authMethod), IdentityType: "app",
			IdentityProvider: h.issuer().IssuerV1(req.tenant.ID),
		},
		Lifetime: h.tokenLifetime(),
		After:    c.principal.ValidFrom,
	})
	if err != nil {
		return nil, err
	}
	return &granted{access: t}, nil
}
