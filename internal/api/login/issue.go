package login

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/token"
)

// give mints what a client gets for a person: the access token, and an id_token if it has asked for
// one. Every grant in which a person takes part ends here, so that none gives what was not consented
// to.
func (h *tokens) give(req *tokenRequest, c client, p *person, s scopes, nonce string) (*granted, error) {
	req.ev.Caller = p.ID
	if err := h.assigned(req.r.Context(), c, p); err != nil {
		return nil, err
	}
	may, err := h.mayAct(req.r.Context(), subject{client: c, person: p, scopes: s})
	if err != nil {
		return nil, err
	}
	at, err := h.resource(req, s.audience, holder{id: p.ID, client: c, person: true})
	if err != nil {
		return nil, err
	}
	access, err := h.Minter.Fresh(token.Request{
		Claims: token.Claims{
			Audience: at.audience, Version: at.version, Roles: at.roles,
			Subject: pairwise(at.audience, p.ID), ObjectID: p.ID, TenantID: p.TenantID,
			AppID: c.AppID, AppIDACR: c.shown, IdentityType: "user",
			IdentityProvider: h.issuer().IssuerV1(p.TenantID),
			Scopes:           strings.Join(may, " "), AuthMethods: []string{byPassword},
			UPN: p.UserPrincipalName, UniqueName: p.UserPrincipalName, Name: p.DisplayName,
			WellKnownIDs: append([]string{memberRole}, p.roles...),
		},
		Life:  h.tokenLife(),
		After: p.ValidFrom,
	})
	if err != nil {
		return nil, err
	}
	given := &granted{access: access, user: p, scope: s.echo(may)}
	if s.openID {
		given.idToken, err = h.idToken(req, c, p, nonce)
	}
	return given, err
}

// idToken tells the client who its user is.
func (h *tokens) idToken(req *tokenRequest, c client, p *person, nonce string) (string, error) {
	claims := token.IDClaims{
		Audience: c.AppID, Subject: pairwise(c.AppID, p.ID), ObjectID: p.ID, TenantID: p.TenantID,
		Issuer: h.issuerV2(req.request, p.TenantID), Version: token.V2,
		AuthMethods: []string{byPassword}, AuthTime: p.authenticated.Unix(), Nonce: nonce,
		Name: p.DisplayName, GivenName: p.GivenName, FamilyName: p.Surname, Email: p.Mail,
		PreferredUsername: p.UserPrincipalName,
	}
	if req.v1 || arm.Fold(req.pathTenant) == adfs {
		claims.Issuer, claims.Version = h.issuerV1(req.request, p.TenantID), token.V1
		claims.UPN, claims.UniqueName = p.UserPrincipalName, p.UserPrincipalName
	}
	return h.issuer().MintID(req.r.Context(), claims, h.tokenLife())
}
