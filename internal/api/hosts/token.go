package hosts

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"midas/internal/host"
	"midas/internal/token"
)

// maxAudience is how long an audience may be. Longer ones name nothing.
const maxAudience = 1024

// token gives a token for one of the identities of the host's own resource.
func (h *Handler) token(x *exchange) error {
	var in host.TokenRequest
	if err := x.decode(&in); err != nil {
		return err
	}
	p, t, err := h.grant(x, in)
	h.SignIns.note(x, h.Log, in, p, err)
	if err != nil {
		return err
	}
	claims := t.Claims
	now, half := h.Now(), claims.NotBefore.Add(claims.Expires.Sub(claims.NotBefore)/2)
	return x.answer(host.TokenAnswer{
		Token: host.Secret(t.Raw()), NotBefore: claims.NotBefore.Unix(), Expires: claims.Expires.Unix(),
		ExpiresIn: seconds(claims.Expires.Sub(now)), RefreshIn: seconds(half.Sub(now)), Principal: p,
	})
}

// seconds are whole ones, at least one.
func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }

// grant makes the token: of version 1.0, with the audience exactly as it was asked for, and without
// groups, because that is how Azure makes those of managed identities.
func (h *Handler) grant(x *exchange, in host.TokenRequest) (host.Principal, *token.Token, error) {
	if in.Audience == "" || len(in.Audience) > maxAudience || !utf8.ValidString(in.Audience) || strings.ContainsFunc(in.Audience, unicode.IsControl) {
		return host.Principal{}, nil, host.ErrAudience
	}
	ctx := x.r.Context()
	p, err := h.Fleet.Identities.Workload(ctx, x.host.ResourceID(), in.Selector)
	if err != nil {
		return host.Principal{}, nil, err
	}
	roles, err := h.Directory.AppRoles(ctx, p.TenantID, p.ObjectID, in.Audience)
	if err != nil {
		return host.Principal{}, nil, fmt.Errorf("find app roles: %w", err)
	}
	t, err := h.Minter.Token(ctx, token.Request{
		Claims: token.Claims{
			Audience: in.Audience, Version: token.V1, Roles: roles,
			Subject: p.ObjectID, ObjectID: p.ObjectID, TenantID: p.TenantID,
			AppID: p.ClientID, AppIDACR: "2", IdentityType: "app", MIResourceID: p.ResourceID,
			IdentityProvider: h.Minter.Issuer.IssuerV1(p.TenantID),
		},
		Lifetime: h.TokenLifetime, After: p.ValidFrom,
	})
	if err != nil {
		return host.Principal{}, nil, err
	}
	return p, t, nil
}
