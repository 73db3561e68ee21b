package token

import (
	"encoding/json"
	"fmt"
	"time"
)

// Claims is what an access token says. Its JSON is that of Entra's v1.0 access tokens; claims that
// are empty are left out. Times have whole seconds.
type Claims struct {
	Audience         string    // aud, exactly as the client asked for it
	Issuer           string    // iss
	Subject          string    // sub
	ObjectID         string    // oid, the principal's object id
	TenantID         string    // tid
	AppID            string    // appid, the client id
	AppIDACR         string    // appidacr: "1" the client showed a secret, "2" a certificate or an assertion
	IdentityProvider string    // idp
	IdentityType     string    // idtyp: "app" for what is not a person
	Version          string    // ver: "1.0"
	UniqueID         string    // uti, differs for each token
	MIResourceID     string    // xms_mirid, the ARM id behind a managed identity
	Roles            []string  // roles
	IssuedAt         time.Time // iat
	NotBefore        time.Time // nbf
	Expires          time.Time // exp
}

// wireClaims is the JSON of Claims.
type wireClaims struct {
	Audience         string   `json:"aud"`
	Issuer           string   `json:"iss"`
	IssuedAt         int64    `json:"iat"`
	NotBefore        int64    `json:"nbf"`
	Expires          int64    `json:"exp"`
	AppID            string   `json:"appid,omitempty"`
	AppIDACR         string   `json:"appidacr,omitempty"`
	IdentityProvider string   `json:"idp,omitempty"`
	IdentityType     string   `json:"idtyp,omitempty"`
	ObjectID         string   `json:"oid,omitempty"`
	Roles            []string `json:"roles,omitempty"`
	Subject          string   `json:"sub"`
	TenantID         string   `json:"tid"`
	UniqueID         string   `json:"uti,omitempty"`
	Version          string   `json:"ver"`
	MIResourceID     string   `json:"xms_mirid,omitempty"`
}

// MarshalJSON gives the claims as they stand in a token.
func (c Claims) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireClaims{
		Audience: c.Audience, Issuer: c.Issuer, Subject: c.Subject, ObjectID: c.ObjectID,
		TenantID: c.TenantID, AppID: c.AppID, AppIDACR: c.AppIDACR, Version: c.Version,
		IdentityProvider: c.IdentityProvider, IdentityType: c.IdentityType,
		UniqueID: c.UniqueID, MIResourceID: c.MIResourceID, Roles: c.Roles,
		IssuedAt: c.IssuedAt.Unix(), NotBefore: c.NotBefore.Unix(), Expires: c.Expires.Unix(),
	})
}

// UnmarshalJSON reads the claims of a token that Issuer has minted.
func (c *Claims) UnmarshalJSON(data []byte) error {
	var w wireClaims
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("read claims: %w", err)
	}
	*c = Claims{
		Audience: w.Audience, Issuer: w.Issuer, Subject: w.Subject, ObjectID: w.ObjectID,
		TenantID: w.TenantID, AppID: w.AppID, AppIDACR: w.AppIDACR, Version: w.Version,
		IdentityProvider: w.IdentityProvider, IdentityType: w.IdentityType,
		UniqueID: w.UniqueID, MIResourceID: w.MIResourceID, Roles: w.Roles,
		IssuedAt:  time.Unix(w.IssuedAt, 0).UTC(),
		NotBefore: time.Unix(w.NotBefore, 0).UTC(),
		Expires:   time.Unix(w.Expires, 0).UTC(),
	}
	return nil
}
