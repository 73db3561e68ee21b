package login

import (
	"errors"

	"midas/internal/arm"
	"midas/internal/grant"
)

// refresh exchanges a refresh token for new tokens and its successor (RFC 6749, 6).
func (h *tokens) refresh(req *tokenRequest) (*granted, error) {
	// 1. The refresh token and its tenant.
	if req.refreshToken == "" {
		return nil, errMissingParameter("refresh_token")
	}
	r, err := h.Grants.OpenRefresh(req.r.Context(), req.refreshToken)
	switch {
	case errors.Is(err, grant.ErrExpired):
		return nil, errExpiredRefresh()
	case errors.Is(err, grant.ErrInvalid):
		return nil, errNotGranted("refresh_token").because(err)
	case err != nil:
		return nil, err
	}
	if err := h.setTenant(req, r.TenantID); err != nil {
		return nil, err
	}
	// 2. The client, which must be the one that the token was issued to.
	c, err := h.authenticate(req)
	if err != nil {
		return nil, err
	}
	switch {
	case !arm.SameName(r.ClientID, c.AppID):
		return nil, errNotGranted("refresh_token")
	case r.Confidential && c.authMethod == authNone:
		return nil, errNoCredential()
	}
	if err := req.fromPage(r.Page); err != nil {
		return nil, err
	}
	// 3. The user, who may have been disabled or revoked since, and the scopes.
	u, err := h.returning(req.r.Context(), r.TenantID, r.UserID, r.Authenticated)
	if err != nil {
		return nil, err
	}
	u.sid = r.SessionID
	s, err := req.scopes(r.Scope)
	if err != nil {
		return nil, err
	}
	// 4. The tokens. The old refresh token is exchanged last.
	given, err := h.issueTokens(req, c, u, s, "")
	if err != nil {
		return nil, err
	}
	given.refreshToken, err = h.Grants.Rotate(req.r.Context(), r, req.began)
	if errors.Is(err, grant.ErrReused) || errors.Is(err, grant.ErrTooMany) || errors.Is(err, grant.ErrInvalid) {
		return nil, errNotGranted("refresh_token").because(err)
	}
	return given, err
}
