package graph

import (
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/directory"
)

// groupMembershipClaims is the property of that name: null, or names that are separated by commas. Tokens
// follow it.
func groupMembershipClaims(extra opaque[application]) field[application] {
	f := extra.property("groupMembershipClaims", "null")
	store := f.set
	f.set = func(a *application, raw json.RawMessage) error {
		var text *string
		if json.Unmarshal(raw, &text) != nil {
			return errValue(f.name)
		}
		if text != nil {
			if _, known := directory.ParseGroupClaims(*text); !known {
				return errValue(f.name)
			}
		}
		return store(a, raw)
	}
	return f
}

// optionalClaims is the property of that name. Tokens follow it. It is returned with the parts that a client
// has left out, as Microsoft Graph does.
func optionalClaims(extra opaque[application]) field[application] {
	f := extra.property("optionalClaims", "null")
	store := f.set
	f.set = func(a *application, raw json.RawMessage) error {
		if isNull(raw) {
			return store(a, raw)
		}
		claims, err := parseOptionalClaims(raw)
		if err != nil {
			return errValue(f.name)
		}
		whole, err := json.Marshal(claims)
		if err != nil {
			return err
		}
		return store(a, whole)
	}
	f.get = func(a application) any {
		raw, set := a.Extra[f.name]
		if !set {
			return nil
		}
		if claims, err := parseOptionalClaims(raw); err == nil {
			return claims // an earlier version has stored only what the client has sent
		}
		return raw
	}
	return f
}

// optionalClaimsObject is the wire form of optional claims, with the members in Microsoft Graph's order.
type optionalClaimsObject struct {
	AccessToken []optionalClaimObject `json:"accessToken"`
	IDToken     []optionalClaimObject `json:"idToken"`
	SAML2Token  []optionalClaimObject `json:"saml2Token"`
}

type optionalClaimObject struct {
	AdditionalProperties []string `json:"additionalProperties"`
	Essential            bool     `json:"essential"`
	Name                 string   `json:"name"`
	Source               *string  `json:"source"`
}

// parseOptionalClaims reads optional claims and completes them. It refuses claims without a name, and leaves
// out members that it does not know, such as annotations of SDKs.
func parseOptionalClaims(raw json.RawMessage) (*optionalClaimsObject, error) {
	all := &optionalClaimsObject{}
	if err := json.Unmarshal(raw, all); err != nil {
		return nil, err
	}
	for _, list := range []*[]optionalClaimObject{&all.AccessToken, &all.IDToken, &all.SAML2Token} {
		if *list == nil {
			*list = []optionalClaimObject{}
		}
		for i := range *list {
			if (*list)[i].AdditionalProperties == nil {
				(*list)[i].AdditionalProperties = []string{}
			}
		}
		if slices.ContainsFunc(*list, func(c optionalClaimObject) bool { return strings.TrimSpace(c.Name) == "" }) {
			return nil, errValue("optionalClaims")
		}
	}
	return all, nil
}
