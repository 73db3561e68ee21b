package login

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"

	"midas/internal/arm"
	"midas/internal/grant"
)

// authorizationCode exchanges an authorization code for tokens (RFC 6749, 4.1, and RFC 7636).
func (h *tokens) authorizationCode(req *tokenRequest) (*granted, error) {
	// 1. The code and its tenant.
	if req.code == "" {
		return nil, errMissingParameter("code")
	}
	code, err := h.Grants.OpenCode(req.code)
	if errors.Is(err, grant.ErrExpired) {
		return nil, errExpiredGrant()
	}
	if err != nil {
		return nil, errNotGranted("code").because(err)
	}
	if err := h.setTenant(req, code.TenantID); err != nil {
		return nil, err
	}
	// 2. The client.
	c, err := h.authenticate(req)
	if err != nil {
		return nil, err
	}
	if err := redeemable(req, c, code); err != nil {
		return nil, err
	}
	// 3. The redirect URI and the code verifier.
	if req.redirectURI != code.RedirectURI {
		return nil, errOtherRedirect(req.redirectURI, code.RedirectURI)
	}
	if err := verify(code, req.codeVerifier); err != nil {
		return nil, err
	}
	// 4. The user and the scopes.
	u, err := h.returning(req.r.Context(), code.TenantID, code.UserID, code.Authenticated)
	if err != nil {
		return nil, err
	}
	u.sid = code.SessionID
	s, err := req.scopes(code.Scope)
	if err != nil {
		return nil, err
	}
	// 5. The tokens. The code is redeemed last, so that a request that fails does not use it up.
	given, err := h.issueTokens(req, c, u, s, code.Nonce)
	if err != nil {
		return nil, err
	}
	code.Confidential = c.authMethod != authNone
	given.refreshToken, err = h.Grants.Redeem(req.r.Context(), code, s.offline)
	if errors.Is(err, grant.ErrRedeemed) {
		return nil, errRedeemed()
	}
	return given, err
}

// redeemable refuses a code of another client, and a client that has not authenticated as its kind must.
func redeemable(req *tokenRequest, c client, code grant.Code) error {
	switch {
	case !arm.SameName(code.ClientID, c.AppID):
		return errNotGranted("code")
	}
	if err := req.fromPage(code.Page); err != nil {
		return err
	}
	switch {
	case code.Page || code.Public:
		return nil
	}
	return c.confidential()
}

// verify checks the code verifier against the code's challenge (RFC 7636, 4.6). A verifier for a code
// without a challenge is refused too: an attacker could have substituted a code that was requested without
// one.
func verify(code grant.Code, verifier string) error {
	if code.Challenge == "" {
		if verifier != "" || code.Page || code.Public {
			return errVerifier()
		}
		return nil
	}
	if verifier == "" {
		return errNoVerifier()
	}
	if !challengeToken(verifier) {
		return errChallenge("Code_Verifier")
	}
	if code.Method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if subtle.ConstantTimeCompare([]byte(verifier), []byte(code.Challenge)) != 1 {
		return errVerifier()
	}
	return nil
}

// challengeToken reports whether s has the syntax of a challenge or a verifier (RFC 7636, 4.1).
func challengeToken(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~", c) >= 0) {
			return false
		}
	}
	return true
}

// scopes returns the scopes that a token request asks for, or else the stored ones, which were granted.
func (req *tokenRequest) scopes(stored string) (scopes, error) {
	switch {
	case req.resource != "" && (req.v1 || arm.Fold(req.pathTenant) == adfs):
		if err := req.checkResourceName(); err != nil {
			return scopes{}, err
		}
		return scopesOf(req.resource), nil
	case req.scope != "" && !req.v1:
		return parseScopes(req.scope)
	case stored != "":
		return parseScopes(stored)
	case req.v1:
		return scopes{}, errMissingParameter("resource")
	}
	return scopes{}, errMissingParameter("scope")
}

// fromPage refuses a single-page application's code or token outside of a page, and those of other kinds of clients
// in a page, as Entra does. A browser sends Origin with each POST request of a page.
func (req *tokenRequest) fromPage(page bool) error {
	origin := req.r.Header.Get("Origin")
	switch {
	case page && origin == "":
		return errCrossOrigin()
	case !page && origin != "":
		return errNoPage(origin)
	}
	return nil
}
