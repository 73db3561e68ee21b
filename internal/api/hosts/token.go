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

// maxAudience is the longest audience, in bytes. No application has a longer identifier.
const maxAudience = 1024

// token gives a token for one of the identities of the host's own resource.
func (h *Handler) token(req *request) error {
	var in host.TokenRequest
	if err := req.decode(&in); err != nil {
		return err
	}
	p, t, err := h.grant(req, in)
	h.SignIns.note(req, h.Log, in, p, err)
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

// grant makes the token as Azure makes tokens of managed identities: with version 1.0, with the audience
// exactly as requested, and without groups.
func (h *Handler) grant(req *request, in host.TokenRequest) (host.Principal, *token.Token, error) {
	if in.Audience == "" || len(in.Audience) > maxAudience || !utf8.ValidString(in.Audience) || strings.ContainsFunc(in.Audience, unicode.IsControl) {
		return host.Principal{}, nil, host.ErrAudience
	}
	ctx := req.r.Context()
	p, err := h.Fleet.Identities.Workload(ctx, req.host.ResourceID(), in.Selector)
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
