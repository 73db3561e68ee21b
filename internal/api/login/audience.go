package login

import (
	"net/url"
	"strings"

	"midas/internal/arm"
)

// maxAudience is the longest audience, in bytes. It stands in every token and in a memory of tokens.
const maxAudience = 512

// defaultScope is what an application asks a resource for: all that it was given there.
const defaultScope = "/.default"

// audience is for whom an application's own token is to be: the resource as the client spells it, to
// the letter, for that is what the resource compares. The v1.0 endpoint asks for a resource; the v2.0
// endpoint for a scope of it.
//
// Any audience of a sensible shape is granted. On Entra the resource must be an application that the
// tenant knows; here resources need not be registered, and who accepts a token checks its audience.
func (req *tokenRequest) audience() (string, error) {
	if req.v1 {
		if req.resource == "" {
			return "", errMissingParameter("resource")
		}
		return req.resource, req.checkAudience(req.resource)
	}
	if req.scope == "" && req.resource != "" && arm.Fold(req.pathTenant) == adfs {
		return req.resource, req.checkAudience(req.resource)
	}
	if req.scope == "" {
		return "", errMissingParameter("scope")
	}
	audience, err := audienceOf(req.scope)
	if err != nil {
		return "", err
	}
	return audience, req.checkAudience(audience)
}

// audienceOf finds the one resource in a scope. MSAL adds OpenID's scopes to every request; they
// mean nothing where no user signs in.
func audienceOf(scope string) (string, error) {
	var audience string
	for one := range strings.FieldsSeq(scope) {
		if openID(one) {
			continue
		}
		resource, ok := strings.CutSuffix(one, defaultScope)
		switch {
		case !ok:
			return "", errScopeNotDefault(one)
		case resource == "" || audience != "" && audience != resource:
			return "", errScope(scope)
		}
		audience = resource
	}
	if audience == "" {
		return "", errScope(scope)
	}
	return audience, nil
}

func (req *tokenRequest) checkAudience(audience string) error {
	if !plausible(audience) {
		return errResource(audience, req.tenant.DisplayName)
	}
	return nil
}

// plausible reports whether an audience is an absolute URI, such as https://vault.azure.net or
// api://name, or the id of an application.
func plausible(audience string) bool {
	if len(audience) > maxAudience {
		return false
	}
	for _, c := range []byte(audience) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	if arm.IsGUID(audience) {
		return true
	}
	u, err := url.Parse(audience)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "") && u.User == nil && u.Fragment == ""
}
