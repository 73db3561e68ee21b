package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/token"
)

// memberRole is the directory role that Entra says every user of the tenant has.
const memberRole = "b79fbf4d-3ef9-4689-8143-76b194e85509"

// byPassword is the only way in which people sign in here.
const byPassword = "pwd"

// person is a user who has signed in.
type person struct {
	directory.User
	authenticated time.Time // when the password was shown
	roles         []string  // of the directory
	session       string    // the name of the browser's session, if it keeps one
}

// grant is what the person grants to a client.
func (p *person) grant(client, scope string) grant.Grant {
	return grant.Grant{TenantID: p.TenantID, UserID: p.ID, ClientID: client, Scope: scope, Authenticated: p.authenticated}
}

// returning finds the person who has signed in at an earlier time. What was granted before the user's
// tokens were revoked, as a new password does, is good no longer.
func (h *Handler) returning(ctx context.Context, tenant, id string, authenticated time.Time) (*person, error) {
	p := &person{authenticated: authenticated}
	err := h.Directory.Store.View(ctx, func(tx store.Tx) (err error) {
		if p.User, err = h.Directory.User(tx, tenant, id); err == nil {
			p.roles, err = h.Directory.DirectoryRoles(tx, tenant, id)
		}
		return err
	})
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, errRevoked().because(err)
	case err != nil:
		return nil, fmt.Errorf("find user: %w", err)
	case !p.Enabled:
		return nil, errUserDisabled()
	case authenticated.Before(p.ValidFrom):
		return nil, errRevoked()
	}
	return p, nil
}

// give mints what a client gets for a person: the access token, and an id_token if it has asked for
// one. Every grant in which a person takes part ends here, so that none gives what was not consented
// to.
func (h *Handler) give(req *tokenRequest, c client, p *person, s scopes, nonce string) (*granted, error) {
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
func (h *Handler) idToken(req *tokenRequest, c client, p *person, nonce string) (string, error) {
	claims := token.IDClaims{
		Audience: c.AppID, Subject: pairwise(c.AppID, p.ID), ObjectID: p.ID, TenantID: p.TenantID,
		Issuer: h.issuerV2(req.exchange, p.TenantID), Version: token.V2,
		AuthMethods: []string{byPassword}, AuthTime: p.authenticated.Unix(), Nonce: nonce,
		Name: p.DisplayName, GivenName: p.GivenName, FamilyName: p.Surname, Email: p.Mail,
		PreferredUsername: p.UserPrincipalName,
	}
	if req.v1 || arm.Fold(req.exchange.tenant) == adfs {
		claims.Issuer, claims.Version = h.issuerV1(req.exchange, p.TenantID), token.V1
		claims.UPN, claims.UniqueName = p.UserPrincipalName, p.UserPrincipalName
	}
	return h.issuer().MintID(req.r.Context(), claims, h.tokenLife())
}

// pairwise is a person's name for one application, from which two applications cannot tell that they
// know the same person. The object id tells them, to whom the directory means to tell it.
func pairwise(app, user string) string {
	sum := sha256.Sum256([]byte("midas subject\x00" + arm.Fold(app) + "\x00" + arm.Fold(user)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
