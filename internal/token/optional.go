package token

import "encoding/json"

// OptionalClaims are claims that tokens have only for applications whose registration asks for them
// (optionalClaims and groupMembershipClaims in Microsoft Graph). Empty claims are left out.
type OptionalClaims struct {
	AccountType       *int     `json:"acct,omitempty"`      // 0: a member of the tenant
	AuthTime          int64    `json:"auth_time,omitempty"` // when the user has shown a password, in Unix seconds
	Country           string   `json:"ctry,omitempty"`
	Email             string   `json:"email,omitempty"`
	EmailVerified     bool     `json:"xms_edov,omitempty"` // the domain of email is the tenant's
	FamilyName        string   `json:"family_name,omitempty"`
	GivenName         string   `json:"given_name,omitempty"`
	IPAddress         string   `json:"ipaddr,omitempty"`
	LoginHint         string   `json:"login_hint,omitempty"`
	PreferredLanguage string   `json:"xms_pl,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	UPN               string   `json:"upn,omitempty"`
	PrimaryEmail      []string `json:"verified_primary_email,omitempty"`
	Capabilities      []string `json:"xms_cc,omitempty"` // of the client, as it has said

	Groups       []string               `json:"groups,omitempty"`
	ClaimNames   map[string]string      `json:"_claim_names,omitempty"`   // a claim that is too large, and its source
	ClaimSources map[string]ClaimSource `json:"_claim_sources,omitempty"` // by the names in ClaimNames
}

// ClaimSource is where a claim is that is too large for a token (OpenID Connect Core, 5.6.2).
type ClaimSource struct {
	Endpoint string `json:"endpoint"`
}

// text returns all claims as one text, which is empty if there are none.
func (o *OptionalClaims) text() string {
	if o == nil {
		return ""
	}
	data, err := json.Marshal(o)
	if err != nil {
		return "" // cannot happen: strings, numbers, slices and maps
	}
	return string(data)
}

// Groups are the groups of a token's subject, as the application of the token asks for them.
type Groups struct {
	Values  []string // ids, or names
	AsRoles bool     // they are in roles, in place of the app roles
	Source  string   // if there are too many: the URL of getMemberObjects, which gives their ids
}

// SetGroups adds groups to the claims.
func (c *Claims) SetGroups(g Groups) { setGroups(&c.Optional, &c.Roles, g) }

// SetGroups adds groups to the claims.
func (c *IDClaims) SetGroups(g Groups) { setGroups(&c.OptionalClaims, &c.Roles, g) }

func setGroups(to **OptionalClaims, roles *[]string, g Groups) {
	if g.AsRoles {
		*roles = g.Values
	}
	if g.Source == "" && (g.AsRoles || len(g.Values) == 0) {
		return
	}
	if *to == nil {
		*to = &OptionalClaims{}
	}
	if g.Source == "" {
		(*to).Groups = g.Values
		return
	}
	(*to).ClaimNames = map[string]string{"groups": "src1"}
	(*to).ClaimSources = map[string]ClaimSource{"src1": {Endpoint: g.Source}}
}
