package token

import (
	"context"
	"errors"
	"time"
)

// IDClaims are the claims of an id_token, which tells a client who its user is. It is not an access
// token: Verifier refuses it.
type IDClaims struct {
	Audience string `json:"aud"` // the client id
	Issuer   string `json:"iss"` // the issuer of the client's discovery document

	IssuedAt  int64 `json:"iat"` // filled by MintID, as are the next two
	NotBefore int64 `json:"nbf"`
	Expires   int64 `json:"exp"`

	AuthMethods       []string `json:"amr,omitempty"`
	AuthTime          int64    `json:"auth_time,omitempty"` // when the user entered the password
	Email             string   `json:"email,omitempty"`
	FamilyName        string   `json:"family_name,omitempty"`
	GivenName         string   `json:"given_name,omitempty"`
	Name              string   `json:"name,omitempty"`
	Nonce             string   `json:"nonce,omitempty"`
	ObjectID          string   `json:"oid"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Roles             []string `json:"roles,omitempty"`
	SessionID         string   `json:"sid,omitempty"` // of the browser's session, for front-channel logout
	Subject           string   `json:"sub"`
	TenantID          string   `json:"tid"`
	UniqueName        string   `json:"unique_name,omitempty"` // V1
	UPN               string   `json:"upn,omitempty"`         // V1
	UniqueID          string   `json:"uti,omitempty"`
	Version           string   `json:"ver"`
	WellKnownIDs      []string `json:"wids,omitempty"`

	*OptionalClaims // the fields above hide those of the same name
}

// MintID signs an id_token with the lifetime life from now. Its iat and nbf are Backdate before now.
func (i *Issuer) MintID(ctx context.Context, c IDClaims, life time.Duration) (string, error) {
	if c.Audience == "" || c.Issuer == "" || c.Subject == "" || c.TenantID == "" {
		return "", errors.New("mint id_token: audience, issuer, subject and tenant are required")
	}
	now := whole(i.Now())
	c.IssuedAt, c.NotBefore = backdated(now).Unix(), backdated(now).Unix()
	c.Expires, c.UniqueID = now.Add(life).Unix(), i.NewID()
	raw, _, err := i.sign(ctx, c, life, now)
	return raw, err
}
