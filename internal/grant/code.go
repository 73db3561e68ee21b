package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// Code is an authorization code. It says everything itself; only that it was redeemed is kept.
type Code struct {
	Grant
	ID          string    `json:"id"`
	RedirectURI string    `json:"redirectUri"` // as the client has sent it
	Challenge   string    `json:"challenge,omitempty"`
	Method      string    `json:"method,omitempty"` // of the challenge: S256 or plain
	Nonce       string    `json:"nonce,omitempty"`
	Public      bool      `json:"public,omitempty"` // the redirect URI is one of a client without a secret
	Expires     time.Time `json:"expires"`
}

// codeRecord says that a code was redeemed, and for what.
type codeRecord struct {
	Family  string    `json:"family,omitempty"`
	Expires time.Time `json:"expires"`
}

// SealCode gives a code its id and its time, and the text that the client gets.
func (g *Grants) SealCode(c Code) (string, error) {
	c.ID, c.Expires = g.NewID(), g.now().Add(CodeLifetime)
	return g.Sealer.Seal("code", c)
}

// OpenCode reads a code. The error is ErrInvalid, or ErrExpired, with which the code is given too.
// Whether the code was redeemed before, Redeem tells.
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

// Redeem uses a code up, after everything else about the request was found to be right. With refresh
// it begins a family and gives its first token. It gives ErrRedeemed when the code was used before;
// then whoever holds what it was used for loses it, because one of the two is a thief.
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
		return keep(tx, &codes, codeKey(c.TenantID, c.ID), r, r.Expires)
	})
	if err != nil {
		return "", fmt.Errorf("redeem code %s: %w", c.ID, err)
	}
	if replayed {
		return "", ErrRedeemed
	}
	return refreshToken, nil
}
