package login

// password issues tokens to a client that sends the user's name and password (RFC 6749, 4.3).
func (h *tokens) password(req *tokenRequest) (*granted, error) {
	// 1. The parameters.
	switch {
	case req.username == "":
		return nil, errMissingParameter("username")
	case req.password == "":
		return nil, errMissingParameter("password")
	}
	s, err := req.scopes("")
	if err != nil {
		return nil, err
	}
	// 2. The user's tenant and the client.
	home, err := h.homeOf(req.request, req.username)
	if err != nil {
		return nil, err
	}
	if err := h.setTenant(req, home.ID); err != nil {
		return nil, err
	}
	c, err := h.authenticate(req)
	if err == nil {
		err = c.mayBePublic()
	}
	if err != nil {
		return nil, err
	}
	// 3. The user's password.
	u, err := h.authenticateUser(req.request, req.username, req.password)
	if err != nil {
		return nil, err
	}
	// 4. The tokens.
	given, err := h.issueTokens(req, c, u, s, "")
	if err == nil && s.offline {
		g := u.grant(c.AppID, storedScope(s))
		g.Confidential = c.authMethod != authNone
		given.refreshToken, err = h.Grants.Begin(req.r.Context(), g)
	}
	return given, err
}
