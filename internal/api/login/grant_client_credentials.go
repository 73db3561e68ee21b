package login

import (
	"errors"

	"midas/internal/directory"
	"midas/internal/token"
)

// clientCredentials gives an application a token for itself (RFC 6749, 4.4).
func (h *Handler) clientCredentials(req *tokenRequest) (*token.Token, error) {
	// 1. Who says it is asking.
	if req.clientID == "" {
		return nil, errMissingParameter("client_id")
	}
	// 2. For whom the token is to be.
	audience, err := req.audience()
	if err != nil {
		return nil, err
	}
	// 3. Whether it is who it says.
	principal, err := h.bySecret(req)
	if err != nil {
		return nil, err
	}
	req.ev.Caller = principal.ID
	// 4. The token: a warm one, if there is one. Its subject is the principal itself, for there is
	// no user.
	return h.Minter.Token(req.r.Context(), token.Request{
		Claims: token.Claims{
			Audience: audience, Subject: principal.ID, ObjectID: principal.ID, TenantID: req.tenant.ID,
			AppID: principal.AppID, AppIDACR: "1", IdentityType: "app",
			IdentityProvider: h.issuer().IssuerV1(req.tenant.ID),
		},
		Life:  h.tokenLife(),
		After: principal.ValidFrom,
	})
}

// bySecret authenticates the client by its secret.
func (h *Handler) bySecret(req *tokenRequest) (directory.ServicePrincipal, error) {
	var nobody directory.ServicePrincipal
	switch {
	case req.assertion != "":
		return nobody, errAssertionKey()
	case req.clientSecret == "":
		return nobody, errNoCredential()
	}
	guess := NewGuess(req.tenant.ID, req.clientID, req.ev.ClientIP)
	now := h.Now()
	if wait := h.Guesses.Wait(guess, now); wait > 0 {
		return nobody, errThrottled(wait)
	}
	principal, err := h.Directory.Authenticate(req.r.Context(), req.tenant.ID, req.clientID, req.clientSecret)
	switch {
	case errors.Is(err, directory.ErrUnknownApplication):
		return nobody, errUnknownApplication(req.clientID, req.tenant.DisplayName)
	case errors.Is(err, directory.ErrWrongSecret):
		h.Guesses.Failed(guess, now)
		return nobody, errWrongSecret(req.clientID)
	case errors.Is(err, directory.ErrExpiredSecret):
		return nobody, errExpiredSecret(req.clientID)
	case errors.Is(err, directory.ErrDisabled):
		return nobody, errDisabled(req.clientID, principal.DisplayName)
	}
	return principal, err
}
