package token

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// The versions of access tokens. The resource determines the version, not the endpoint of the request.
const (
	V1 = "1.0"
	V2 = "2.0"
)

// Claims are the claims of an access token. Their JSON is that of Entra's access tokens of the same
// version, without empty claims. Times have whole seconds.
type Claims struct {
	Audience         string   // aud, exactly as the client asked for it
	Issuer           string   // iss
	Subject          string   // sub
	ObjectID         string   // oid, the principal's object id
	TenantID         string   // tid
	AppID            string   // appid, in V2 azp: the client id; only access tokens have it
	AppIDACR         string   // appidacr, in V2 azpacr: "0" public client, "1" secret, "2" certificate or assertion
	IdentityProvider string   // idp
	IdentityType     string   // idtyp: "app" in app-only tokens
	Version          string   // ver: V1 (or empty) or V2
	UniqueID         string   // uti, unique for each token
	MIResourceID     string   // xms_mirid, the ARM id of a managed identity
	Roles            []string // roles

	// Attested is the private claim midas_attested: the token is a managed identity's, from the metadata service of its
	// resource. Only tokens for the exchange of tokens have it, and no exchange gives it.
	Attested bool

	Optional     *OptionalClaims // nil: none
	Confirmation *Confirmation   // cnf, of a token that is bound to a key of its client; nil in bearer tokens

	// Only in user tokens, but for WellKnownIDs.
	Scopes       string   // scp, separated by spaces
	AuthMethods  []string // amr
	UPN          string   // upn, in V2 preferred_username
	Name         string   // name
	UniqueName   string   // unique_name
	WellKnownIDs []string // wids, the template ids of directory roles

	IssuedAt  time.Time // iat, Backdate before Issued
	NotBefore time.Time // nbf, likewise
	Expires   time.Time // exp

	// Issued is the true time of issue. Everything that compares the age of a token with a revocation, with
	// its lifetime or with the clock uses it. It is in the private claim midas_iat; a token without that claim
	// is of an earlier version of Midas, whose iat was the true time.
	Issued time.Time
}

// Backdate is how much earlier than the time of issue iat and nbf are, as in Entra's tokens, so that a verifier
// whose clock is slow accepts a new token.
const Backdate = 5 * time.Minute

// backdated returns the iat and nbf of a token that is issued at a time.
func backdated(issued time.Time) time.Time { return issued.Add(-Backdate) }

// wireClaims is the JSON of Claims.
type wireClaims struct {
	Audience         string        `json:"aud"`
	Confirmation     *Confirmation `json:"cnf,omitempty"`
	Issuer           string        `json:"iss"`
	IssuedAt         int64         `json:"iat"`
	NotBefore        int64         `json:"nbf"`
	Expires          int64         `json:"exp"`
	Issued           int64         `json:"midas_iat,omitempty"`
	AuthMethods      []string      `json:"amr,omitempty"`
	AppID            string        `json:"appid,omitempty"`
	AppIDACR         string        `json:"appidacr,omitempty"`
	AZP              string        `json:"azp,omitempty"`
	AZPACR           string        `json:"azpacr,omitempty"`
	IdentityProvider string        `json:"idp,omitempty"`
	IdentityType     string        `json:"idtyp,omitempty"`
	Name             string        `json:"name,omitempty"`
	ObjectID         string        `json:"oid,omitempty"`
	Preferred        string        `json:"preferred_username,omitempty"`
	Roles            []string      `json:"roles,omitempty"`
	Scopes           string        `json:"scp,omitempty"`
	Subject          string        `json:"sub"`
	TenantID         string        `json:"tid"`
	UniqueName       string        `json:"unique_name,omitempty"`
	UPN              string        `json:"upn,omitempty"`
	UniqueID         string        `json:"uti,omitempty"`
	Version          string        `json:"ver"`
	WellKnownIDs     []string      `json:"wids,omitempty"`
	MIResourceID     string        `json:"xms_mirid,omitempty"`
	Attested         bool          `json:"midas_attested,omitempty"`

	*OptionalClaims // the fields above hide those of the same name
}

// MarshalJSON returns the claims as they are in a token.
func (c Claims) MarshalJSON() ([]byte, error) {
	w := wireClaims{
		Audience: c.Audience, Issuer: c.Issuer, Subject: c.Subject, ObjectID: c.ObjectID,
		TenantID: c.TenantID, Version: c.Version, IdentityProvider: c.IdentityProvider, IdentityType: c.IdentityType,
		UniqueID: c.UniqueID, MIResourceID: c.MIResourceID, Attested: c.Attested, Roles: c.Roles, Scopes: c.Scopes,
		AuthMethods: c.AuthMethods, Name: c.Name, WellKnownIDs: c.WellKnownIDs,
		IssuedAt: c.IssuedAt.Unix(), NotBefore: c.NotBefore.Unix(), Expires: c.Expires.Unix(),
		Issued: c.Issued.Unix(), Confirmation: c.Confirmation, OptionalClaims: c.Optional,
	}
	if c.Version == V2 {
		w.AZP, w.AZPACR, w.Preferred = c.AppID, c.AppIDACR, c.UPN
	} else {
		w.AppID, w.AppIDACR, w.UPN, w.UniqueName = c.AppID, c.AppIDACR, c.UPN, c.UniqueName
	}
	if o := c.Optional; o != nil {
		w.UPN, w.Preferred = cmp.Or(w.UPN, o.UPN), cmp.Or(w.Preferred, o.PreferredUsername)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the claims of a token that Issuer has minted.
func (c *Claims) UnmarshalJSON(data []byte) error {
	var w wireClaims
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("read claims: %w", err)
	}
	*c = Claims{
		Confirmation: w.Confirmation, Optional: w.OptionalClaims,
		Audience: w.Audience, Issuer: w.Issuer, Subject: w.Subject, ObjectID: w.ObjectID,
		TenantID: w.TenantID, AppID: w.AppID, AppIDACR: w.AppIDACR, Version: w.Version,
		IdentityProvider: w.IdentityProvider, IdentityType: w.IdentityType,
		UniqueID: w.UniqueID, MIResourceID: w.MIResourceID, Attested: w.Attested, Roles: w.Roles, Scopes: w.Scopes,
		AuthMethods: w.AuthMethods, UPN: w.UPN, Name: w.Name, UniqueName: w.UniqueName, WellKnownIDs: w.WellKnownIDs,
		IssuedAt:  time.Unix(w.IssuedAt, 0).UTC(),
		NotBefore: time.Unix(w.NotBefore, 0).UTC(),
		Expires:   time.Unix(w.Expires, 0).UTC(),
		Issued:    time.Unix(cmp.Or(w.Issued, w.IssuedAt), 0).UTC(),
	}
	if w.Version == V2 {
		c.AppID, c.AppIDACR, c.UPN = w.AZP, w.AZPACR, w.Preferred
	}
	return nil
}

// user is a text with all claims that most app-only tokens do not have. It is empty for these.
func (c *Claims) user() string {
	if c.Scopes == "" && c.UPN == "" && len(c.AuthMethods) == 0 && len(c.WellKnownIDs) == 0 && c.Optional == nil {
		return ""
	}
	return fmt.Sprintf("%q", []any{c.Scopes, c.AuthMethods, c.UPN, c.Name, c.UniqueName, c.WellKnownIDs, c.Optional.text()})
}
