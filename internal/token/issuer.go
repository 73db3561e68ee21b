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
)

// Issuer mints tokens. All fields are required.
type Issuer struct {
	Keys   *Keys
	Now    func() time.Time
	NewID  func() string
	Origin string // where the login face is reached, without a slash at its end
}

// IssuerV1 is the iss of a tenant's v1.0 tokens, which both token endpoints give.
func (i *Issuer) IssuerV1(tenant string) string { return issuerV1(i.Origin, tenant) }

// IssuerV2 is the issuer that a tenant's v2.0 discovery document names.
func (i *Issuer) IssuerV2(tenant string) string {
	return i.Origin + "/" + arm.Fold(tenant) + "/v2.0"
}

func issuerV1(origin, tenant string) string { return origin + "/" + arm.Fold(tenant) + "/" }

// Token is a minted token. It redacts itself where it is logged or printed; Raw gives it away.
type Token struct {
	Claims Claims

	raw string
	kid string
}

// Raw is the compact form, for the one to whom the token was issued.
func (t *Token) Raw() string { return t.raw }

// String names the token without giving it away.
func (t *Token) String() string { return "token " + t.Claims.UniqueID + " " + redacted }

// GoString is String.
func (t *Token) GoString() string { return t.String() }

// LogValue is String.
func (t *Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Mint signs a token. Audience, Subject, TenantID and Expires must be given. Mint fills the issuer
// and the version always, and iat, nbf (both are now) and uti where they are empty. It refuses a
// life longer than the keys' MaxTokenLife, because the key would leave the key set before it ends.
func (i *Issuer) Mint(_ context.Context, c Claims) (string, error) {
	t, err := i.mint(c)
	if err != nil {
		return "", err
	}
	return t.raw, nil
}

func (i *Issuer) mint(c Claims) (*Token, error) {
	now := i.Now().UTC().Truncate(time.Second)
	if c.Audience == "" || c.Subject == "" || c.TenantID == "" {
		return nil, errors.New("mint token: audience, subject and tenant are required")
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = now
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = c.IssuedAt
	}
	if c.UniqueID == "" {
		c.UniqueID = i.NewID()
	}
	c.Issuer, c.Version = i.IssuerV1(c.TenantID), "1.0"
	c.Roles = slices.Clone(c.Roles)
	c.IssuedAt, c.NotBefore, c.Expires = whole(c.IssuedAt), whole(c.NotBefore), whole(c.Expires)
	if life, longest := c.Expires.Sub(now), i.Keys.cfg.MaxTokenLife; life <= 0 || life > longest {
		return nil, fmt.Errorf("mint token: a life of %s is not between 0 and %s", life, longest)
	}
	key := i.Keys.signer(now)
	if key == nil {
		return nil, errors.New("mint token: there is no signing key")
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("mint token: %w", err)
	}
	raw, err := key.sign(payload)
	if err != nil {
		return nil, fmt.Errorf("mint token: %w", err)
	}
	return &Token{Claims: c, raw: raw, kid: key.kid}, nil
}

// whole drops what a token cannot say of a moment.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
