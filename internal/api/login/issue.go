package login

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/token"
)

// issueTokens mints a client's tokens for a user: the access token, and an id_token if the client has
// asked for one. All grants for users call it, so that consent is always checked.
func (h *tokens) issueTokens(req *tokenRequest, c client, u *user, s scopes, nonce string) (*granted, error) {
	req.ev.Caller = u.ID
	if err := h.assigned(req.r.Context(), c, u); err != nil {
		return nil, err
	}
	may, err := h.delegatedScopes(req.r.Context(), subject{client: c, user: u, scopes: s})
	if err != nil {
		return nil, err
	}
	at, err := h.resource(req, s.audience, tokenSubject{id: u.ID, client: c, user: true})
	if err != nil {
		return nil, err
	}
	claims := h.userClaims(req, c, u, at)
	claims.Scopes = strings.Join(may, " ")
	access, err := h.Minter.Fresh(req.r.Context(), h.requestAccess(req, c, claims, u.ValidFrom))
	if err != nil {
		return nil, err
	}
	given := &granted{access: access, user: u, scope: s.echo(may)}
	if s.openID {
		given.idToken, err = h.idToken(req, c, u, nonce)
	}
	return given, err
}

// userClaims returns the claims of a user's access token without the scopes. Its optional claims, groups and
// directory roles follow the registration of the resource. Tokens for Microsoft's resources, and for those that
// are not registered, have directory roles and no groups.
func (h *tokens) userClaims(req *tokenRequest, c client, u *user, at resource) token.Claims {
	claims := token.Claims{
		Audience: at.audience, Version: at.version, Roles: at.Roles,
		Subject: pairwise(at.audience, u.ID), ObjectID: u.ID, TenantID: u.TenantID,
		AppID: c.AppID, AppIDACR: string(c.authMethod), IdentityType: "user", Confirmation: req.cnf,
		IdentityProvider: h.issuer().IssuerV1(u.TenantID), AuthMethods: []string{byPassword},
		UPN: u.UserPrincipalName, UniqueName: u.UserPrincipalName, Name: u.DisplayName,
		Optional: req.optionalClaims(u, at.Application.OptionalClaims().AccessToken),
	}
	if at.Application.AppID == "" || at.Application.GroupClaims().Roles {
		claims.WellKnownIDs = append([]string{memberRole}, u.roles...)
	}
	claims.SetGroups(groups(at.Memberships, h.issuer().Origin, "users", u.ID))
	return claims
}

// idToken mints the id_token (OpenID Connect Core, 2).
func (h *tokens) idToken(req *tokenRequest, c client, u *user, nonce string) (string, error) {
	claims := token.IDClaims{
		Audience: c.AppID, Subject: pairwise(c.AppID, u.ID), ObjectID: u.ID, TenantID: u.TenantID,
		Issuer: h.issuerV2(req.request, u.TenantID), Version: token.V2,
		AuthMethods: []string{byPassword}, AuthTime: u.authenticated.Unix(), Nonce: nonce,
		Name: u.DisplayName, GivenName: u.GivenName, FamilyName: u.Surname, Email: u.Mail,
		PreferredUsername: u.UserPrincipalName, SessionID: u.sid,
	}
	if req.v1 || arm.Fold(req.pathTenant) == adfs {
		claims.Issuer, claims.Version = h.issuerV1(req.request, u.TenantID), token.V1
		claims.UPN, claims.UniqueName = u.UserPrincipalName, u.UserPrincipalName
	}
	if err := h.addRegistered(req, &claims, c, u); err != nil {
		return "", err
	}
	return h.issuer().MintID(req.r.Context(), claims, h.tokenLifetime())
}
