package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/trace"
)

// Issuer mints tokens. All fields are required.
type Issuer struct {
	Keys   *Keys
	Now    func() time.Time
	NewID  func() string
	Origin string // origin of the login API, without a trailing slash
}

// IssuerV1 is the iss of a tenant's v1.0 tokens, which both token endpoints issue for most resources.
func (i *Issuer) IssuerV1(tenant string) string { return issuerV1(i.Origin, tenant) }

// IssuerV2 is the iss of a tenant's v2.0 tokens and of its v2.0 discovery document.
func (i *Issuer) IssuerV2(tenant string) string { return issuerV2(i.Origin, tenant) }

func issuerV1(origin, tenant string) string { return origin + "/" + arm.Fold(tenant) + "/" }

func issuerV2(origin, tenant string) string { return origin + "/" + arm.Fold(tenant) + "/v2.0" }

// Token is a minted token. It redacts itself where it is logged or printed; Raw returns its text.
type Token struct {
	Claims Claims

	raw string
	kid string
}

// Raw is the compact form, for the client.
func (t *Token) Raw() string { return t.raw }

// String identifies the token without revealing it.
func (t *Token) String() string { return "token " + t.Claims.UniqueID + " [redacted]" }

// GoString is String.
func (t *Token) GoString() string { return t.String() }

// LogValue is String.
func (t *Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Mint signs an access token. Audience, Subject, TenantID, AppID and Expires are required. Mint sets iss,
// and Issued (to now) and uti if they are empty; iat and nbf are Backdate before Issued. It refuses a lifetime
// longer than MaxTokenLifetime of the keys, because the key would leave the key set before the token expires.
func (i *Issuer) Mint(ctx context.Context, c Claims) (string, error) {
	t, err := i.mint(ctx, c)
	if err != nil {
		return "", err
	}
	return t.raw, nil
}

func (i *Issuer) mint(ctx context.Context, c Claims) (*Token, error) {
	now := i.Now().UTC().Truncate(time.Second)
	if c.Audience == "" || c.Subject == "" || c.TenantID == "" || c.AppID == "" {
		return nil, errors.New("mint token: audience, subject, tenant and client are required")
	}
	if c.Issued.IsZero() {
		c.Issued = now
	}
	if c.UniqueID == "" {
		c.UniqueID = i.NewID()
	}
	if c.Issuer = i.IssuerV2(c.TenantID); c.Version != V2 {
		c.Issuer, c.Version = i.IssuerV1(c.TenantID), V1
	}
	c.Roles = slices.Clone(c.Roles)
	c.Issued, c.Expires = whole(c.Issued), whole(c.Expires)
	c.IssuedAt, c.NotBefore = backdated(c.Issued), backdated(c.Issued)
	raw, kid, err := i.sign(ctx, c, c.Expires.Sub(now), now)
	if err != nil {
		return nil, err
	}
	return &Token{Claims: c, raw: raw, kid: kid}, nil
}

// sign encodes and signs claims with the lifetime life from now.
func (i *Issuer) sign(ctx context.Context, claims any, life time.Duration, now time.Time) (raw, kid string, err error) {
	_, span := trace.Start(ctx, "token.sign")
	defer span.End()
	if longest := i.Keys.cfg.MaxTokenLifetime; life <= 0 || life > longest {
		return "", "", fmt.Errorf("mint token: a lifetime of %s is not between 0 and %s", life, longest)
	}
	key := i.Keys.signer(now)
	if key == nil {
		return "", "", errors.New("mint token: there is no signing key")
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", "", fmt.Errorf("mint token: %w", err)
	}
	if raw, err = key.sign(payload); err != nil {
		return "", "", fmt.Errorf("mint token: %w", err)
	}
	return raw, key.kid, nil
}

// whole truncates to seconds, the resolution of NumericDate.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
