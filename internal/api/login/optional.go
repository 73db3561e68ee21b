package login

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// optionalClaims returns the values of the optional claims that an application asks for in a user's tokens,
// or nil if it asks for none. A claim that is unknown here, or has no value, is left out, as in Entra.
func (req *tokenRequest) optionalClaims(u *user, asked []directory.OptionalClaim) *token.OptionalClaims {
	if len(asked) == 0 {
		return nil
	}
	var o token.OptionalClaims
	for _, c := range asked {
		if c.Source == nil || *c.Source == "" {
			req.setOptional(&o, u, c.Name)
		}
	}
	return &o
}

func (req *tokenRequest) setOptional(o *token.OptionalClaims, u *user, name string) {
	owned := u.Mail != "" && inDomain(u.Mail, req.tenant)
	switch name {
	case "acct":
		o.AccountType = new(int) // there are no guests
	case "auth_time":
		o.AuthTime = u.authenticated.Unix()
	case "ctry":
		o.Country = country(u.Extra["country"])
	case "email":
		o.Email = u.Mail
	case "xms_edov":
		o.EmailVerified = owned
	case "verified_primary_email":
		if owned {
			o.PrimaryEmail = []string{u.Mail}
		}
	case "family_name":
		o.FamilyName = u.Surname
	case "given_name":
		o.GivenName = u.GivenName
	case "ipaddr":
		o.IPAddress = req.ev.ClientIP
	case "login_hint", "preferred_username", "upn":
		setName(o, name, u.UserPrincipalName)
	case "xms_pl":
		o.PreferredLanguage = u.PreferredLanguage
	case "xms_cc":
		o.Capabilities = capabilities(req.claims)
	}
}

func setName(o *token.OptionalClaims, claim, upn string) {
	switch claim {
	case "login_hint":
		o.LoginHint = upn // the sign-in page takes it as it is
	case "preferred_username":
		o.PreferredUsername = upn
	case "upn":
		o.UPN = upn
	}
}

// inDomain reports whether a mail address is in the tenant's domain.
func inDomain(mail string, t directory.Tenant) bool {
	_, domain, _ := strings.Cut(mail, "@")
	return t.DefaultDomain != "" && arm.SameName(domain, t.DefaultDomain)
}

// country returns a user's country if it is a code of two letters; the property may have any text.
func country(raw json.RawMessage) string {
	var code string
	if json.Unmarshal(raw, &code) != nil || len(code) != 2 {
		return ""
	}
	letters := []byte(code)
	for i, c := range letters {
		if c |= 'a' - 'A'; c < 'a' || c > 'z' {
			return ""
		}
		letters[i] &^= 'a' - 'A' // in capitals, as ISO 3166 has them
	}
	return string(letters)
}

// The most capabilities of a client, and their longest name, that are put into a token.
const (
	maxCapabilities = 10
	maxCapability   = 32
)

// capabilities returns the capabilities that a client declares in the claims parameter of its request. Clients
// that handle challenges of continuous access evaluation declare CP1.
func capabilities(claims string) []string {
	var asked struct {
		AccessToken struct {
			Capabilities struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	if claims == "" || json.Unmarshal([]byte(claims), &asked) != nil {
		return nil
	}
	values := asked.AccessToken.Capabilities.Values
	if len(values) > maxCapabilities {
		return nil
	}
	for _, v := range values {
		if len(v) > maxCapability {
			return nil
		}
	}
	return values
}

// groups returns the groups of a token of a user or an application, whose collection in Microsoft Graph is
// users or servicePrincipals. The origin is that of Graph, which gives the groups if there are too many.
func groups(m directory.TokenMemberships, origin, collection, id string) token.Groups {
	g := token.Groups{Values: m.Groups, AsRoles: m.AsRoles}
	if m.Overage {
		g.Source = origin + "/v1.0/" + collection + "/" + id + "/getMemberObjects"
	}
	return g
}

// addRegistered adds the claims that the client's registration determines: the user's app roles and groups,
// and the optional claims.
func (h *tokens) addRegistered(req *tokenRequest, claims *token.IDClaims, c client, u *user) error {
	if c.FirstParty {
		return nil
	}
	asked := c.OptionalClaims().IDToken
	var m directory.TokenMemberships
	err := h.Directory.Store.Recent(req.r.Context(), func(tx store.Tx) (err error) {
		if claims.Roles, err = h.Directory.AppRolesAt(tx, c.principal, u.ID); err != nil {
			return err
		}
		m, err = h.Directory.TokenMemberships(tx, c.Application, c.principal, directory.Holder{ID: u.ID, Claims: asked})
		return err
	})
	if err != nil {
		return err
	}
	if o := req.optionalClaims(u, asked); o != nil {
		o.Capabilities = nil // of access tokens only
		claims.OptionalClaims = o
		if claims.UPN == "" {
			claims.UPN = o.UPN
		}
	}
	claims.SetGroups(groups(m, azure.OriginsFor(req.r.Host, h.issuer().Origin).Graph, "users", u.ID))
	if c.GroupClaims().Roles {
		claims.WellKnownIDs = append([]string{memberRole}, m.Roles...)
	}
	return nil
}
