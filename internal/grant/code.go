package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// Code is an authorization code. The sealed code carries all fields; the store only records that it was
// redeemed.
type Code struct {
	Grant
	ID          string    `json:"id"`
	RedirectURI string    `json:"redirectUri"` // in the client's spelling
	Challenge   string    `json:"challenge,omitempty"`
	Method      string    `json:"method,omitempty"` // the challenge method: S256 or plain
	Nonce       string    `json:"nonce,omitempty"`
	Public      bool      `json:"public,omitempty"` // the redirect URI belongs to a client without a secret
	Expires     time.Time `json:"expires"`
}

// codeRecord marks a code as redeemed.
type codeRecord struct {
	Family  string    `json:"family,omitempty"` // the family that the code began, if it began one
	Expires time.Time `json:"expires"`
}

// SealCode sets a code's id and expiry and returns the sealed code, which the client gets.
func (g *Grants) SealCode(c Code) (string, error) {
	c.ID, c.Expires = g.NewID(), g.now().Add(CodeLifetime)
	return g.Sealer.Seal("code", c)
}

// OpenCode opens a sealed code. The error is ErrInvalid or ErrExpired; with ErrExpired it returns the code
// too. It does not check whether the code was redeemed; Redeem does.
func (g *Grants) OpenCode(sealed string) (Code, error) {
	var c Code
	if err := g.Sealer.Open("code", sealed, &c); err != nil {
		return Code{}, ErrInvalid
	}
	if !g.now().Before(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}

// Redeem marks a code as redeemed. Callers check everything else about the request first. With refresh
// it begins a family and returns its first token. It returns ErrRedeemed if the code was redeemed before,
// and then ends the family that the code began, because one of the two requests came from a thief (RFC
// 6749, 4.1.2).
func (g *Grants) Redeem(ctx context.Context, c Code, refresh bool) (refreshToken string, err error) {
	var replayed bool
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		replayed = false
		switch before, err := codes.Get(tx, codeKey(c.TenantID, c.ID)); {
		case err == nil:
			replayed = true
			return g.endFamily(tx, c.TenantID, before.Family)
		case !errors.Is(err, ErrInvalid):
			return err
		}
		r := codeRecord{Expires: c.Expires}
		if refresh {
			if r.Family, refreshToken, err = g.begin(tx, c.Grant); err != nil {
				return err
			}
		}
		return putExpiring(tx, &codes, codeKey(c.TenantID, c.ID), r, r.Expires)
	})
	if err != nil {
		return "", fmt.Errorf("redeem code %s: %w", c.ID, err)
	}
	if replayed {
		return "", ErrRedeemed
	}
	return refreshToken, nil
}
