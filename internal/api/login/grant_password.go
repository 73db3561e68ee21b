package login

// password gives a client tokens for a user whose password it knows (RFC 6749, 4.3).
func (h *tokens) password(req *tokenRequest) (*granted, error) {
	// 1. What it asks for.
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
	// 2. In which tenant, and whether the client is who it says.
	home, err := h.homeOf(req.request, req.username)
	if err != nil {
		return nil, err
	}
	if err := h.settle(req, home.ID); err != nil {
		return nil, err
	}
	c, err := h.authenticate(req)
	if err == nil {
		err = c.mayBePublic()
	}
	if err != nil {
		return nil, err
	}
	// 3. Whether the user is who the client says.
	u, err := h.enter(req.request, req.username, req.password)
	if err != nil {
		return nil, err
	}
	// 4. The tokens.
	given, err := h.give(req, c, u, s, "")
	if err == nil && s.offline {
		g := u.grant(c.AppID, keep(s))
		g.Confidential = c.authMethod != authNone
		given.refreshToken, err = h.Grants.Begin(req.r.Context(), g)
	}
	return given, err
}
