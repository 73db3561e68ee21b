package directory

import (
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/arm"
)

// The properties of an application by which it configures the tokens for it, as Microsoft Graph names them.
// Tokens follow Extra, so that what an application reads back is what its tokens follow.
const (
	groupMembershipClaims = "groupMembershipClaims"
	optionalClaims        = "optionalClaims"
)

// OptionalClaim is a claim that tokens have only for applications that ask for it.
type OptionalClaim struct {
	Name       string   `json:"name"`
	Source     *string  `json:"source"` // nil: predefined; "user": an extension property of the user
	Essential  bool     `json:"essential"`
	Properties []string `json:"additionalProperties"` // they change the claim, such as include_user_token
}

// OptionalClaims are the optional claims of an application by kind of token.
type OptionalClaims struct {
	AccessToken []OptionalClaim `json:"accessToken"`
	IDToken     []OptionalClaim `json:"idToken"`
	SAML2Token  []OptionalClaim `json:"saml2Token"`
}

// OptionalClaims returns the optional claims that the application asks for. It has none where the property is
// missing, or was stored by an earlier version that did not check it and cannot be read.
func (a *Application) OptionalClaims() OptionalClaims {
	var all OptionalClaims
	if raw, set := a.Extra[optionalClaims]; !set || json.Unmarshal(raw, &all) != nil {
		return OptionalClaims{}
	}
	return all
}

// Predefined returns the predefined claim with a name, and whether the claims include it.
func Predefined(claims []OptionalClaim, name string) (OptionalClaim, bool) {
	i := slices.IndexFunc(claims, func(c OptionalClaim) bool { return c.Name == name && (c.Source == nil || *c.Source == "") })
	if i < 0 {
		return OptionalClaim{}, false
	}
	return claims[i], true
}

// Has reports whether the claim has an additional property.
func (c OptionalClaim) Has(property string) bool { return slices.Contains(c.Properties, property) }

// GroupClaims says which memberships are in tokens for an application.
type GroupClaims struct {
	All      bool // all groups, direct and nested
	Assigned bool // the groups that are assigned to the application and have the principal as a direct member
	Roles    bool // directory roles
}

// GroupClaims returns which memberships the application asks for.
func (a *Application) GroupClaims() GroupClaims {
	var text string
	raw, set := a.Extra[groupMembershipClaims]
	if !set || json.Unmarshal(raw, &text) != nil {
		return GroupClaims{}
	}
	claims, _ := ParseGroupClaims(text)
	return claims
}

// ParseGroupClaims reads groupMembershipClaims: names that are separated by commas. It reports whether all
// names are known.
func ParseGroupClaims(text string) (c GroupClaims, known bool) {
	known = true
	for name := range strings.SplitSeq(text, ",") {
		switch arm.Fold(strings.TrimSpace(name)) {
		case "none":
		case "securitygroup":
			c.All = true
		case "applicationgroup":
			c.Assigned = true
		case "directoryrole":
			c.Roles = true
		case "all":
			c.All, c.Roles = true, true
		default:
			known = false
		}
	}
	return c, known
}
