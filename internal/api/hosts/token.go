package hosts

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/host"
	"midas/internal/token"
)

// maxAudience is the longest audience, in bytes. No application has a longer identifier.
const maxAudience = 1024

// token gives a token for one of the identities of the host's own resource.
func (h *Handler) token(req *request) error {
	var in host.TokenRequest
	if err := req.decode(&in); err != nil {
		return err
	}
	p, t, err := h.grant(req, in)
	h.noteSignIn(req, in, p, err)
	if err != nil {
		return err
	}
	claims := t.Claims
	// Half the lifetime is counted from the expiry, because nbf is earlier than the time of issue.
	now, half := h.Now(), claims.Expires.Add(-h.TokenLifetime/2)
	return req.answer(host.TokenAnswer{
		Token: host.Secret(t.Raw()), NotBefore: claims.NotBefore.Unix(), Expires: claims.Expires.Unix(),
		ExpiresIn: seconds(claims.Expires.Sub(now)), RefreshIn: seconds(half.Sub(now)), Principal: p,
	})
}

// seconds truncates d to whole seconds. It returns at least one.
func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }

// grant makes the token as Azure makes tokens of managed identities: with version 1.0 and with the audience
// exactly as requested, unless the audience is an application that accepts v2.0 tokens.
func (h *Handler) grant(req *request, in host.TokenRequest) (host.Principal, *token.Token, error) {
	if in.Audience == "" || len(in.Audience) > maxAudience || !utf8.ValidString(in.Audience) || strings.ContainsFunc(in.Audience, unicode.IsControl) ||
		strings.HasSuffix(arm.Fold(in.Audience), "/.default") {
		return host.Principal{}, nil, host.ErrAudience
	}
	ctx := req.r.Context()
	p, err := h.Fleet.Identities.Workload(ctx, req.host.ResourceID(), in.Selector)
	if err != nil {
		return host.Principal{}, nil, err
	}
	claims, err := h.claims(ctx, p, in.Audience)
	if err != nil {
		return host.Principal{}, nil, err
	}
	t, err := h.Minter.Token(ctx, token.Request{Claims: claims, Lifetime: h.TokenLifetime, After: p.ValidFrom})
	if err != nil {
		return host.Principal{}, nil, err
	}
	return p, t, nil
}

// claims are the claims of a managed identity's token: what the identity is, and what it has at the audience.
func (h *Handler) claims(ctx context.Context, p host.Principal, audience string) (token.Claims, error) {
	if aud, found := federation.ExchangeAudience(audience); found {
		return h.exchangeClaims(p, aud), nil
	}
	at, err := h.Directory.TokenAudience(ctx, p.TenantID, p.ObjectID, audience)
	if err != nil {
		return token.Claims{}, fmt.Errorf("find the audience: %w", err)
	}
	c := token.Claims{
		Audience: at.Name(audience), Version: token.V1, Roles: at.Roles,
		Subject: p.ObjectID, ObjectID: p.ObjectID, TenantID: p.TenantID,
		AppID: p.ClientID, AppIDACR: "2", IdentityType: "app",
		IdentityProvider: h.Minter.Issuer.IssuerV1(p.TenantID),
	}
	if at.Application.TokenVersion == 2 {
		c.Version = token.V2
	}
	if directory.LearnsManagedIdentity(audience, h.Minter.Issuer.Origin) {
		c.MIResourceID = p.ResourceID
	}
	groups := token.Groups{Values: at.Memberships.Groups, AsRoles: at.Memberships.AsRoles}
	if at.Memberships.Overage {
		groups.Source = h.Minter.Issuer.Origin + "/v1.0/servicePrincipals/" + p.ObjectID + "/getMemberObjects"
	}
	c.SetGroups(groups)
	c.WellKnownIDs = at.Memberships.Roles
	return c, nil
}

// exchangeClaims are the claims of a token that an application presents as its client assertion, if a federated
// credential of the application trusts the identity. Its version is 2.0, and its subject is the identity's object id.
func (h *Handler) exchangeClaims(p host.Principal, aud string) token.Claims {
	return token.Claims{
		Audience: aud, Version: token.V2, Subject: p.ObjectID, ObjectID: p.ObjectID, TenantID: p.TenantID,
		AppID: p.ClientID, AppIDACR: "2", IdentityType: "app",
		IdentityProvider: h.Minter.Issuer.IssuerV1(p.TenantID), Attested: true,
	}
}
