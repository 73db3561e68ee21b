package login

import (
	"net/url"
	"strings"

	"midas/internal/arm"
)

// maxAudience is the longest audience, in bytes. Every token and the cache of tokens contain it.
const maxAudience = 512

// defaultScope is the suffix of the scope that asks for all permissions granted at a resource.
const defaultScope = "/.default"

// audience returns the audience of an application's own token: the resource exactly as the client spells
// it, because resources compare it byte by byte. Requests to the v1.0 endpoint name it in the parameter
// resource, requests to the v2.0 endpoint in scope.
//
// Any well-formed audience is granted. On Entra the resource must be an application in the tenant. Here
// resources need not be registered; the service that accepts a token checks its audience.
func (req *tokenRequest) audience() (string, error) {
	if req.v1 {
		if req.resource == "" {
			return "", errMissingParameter("resource")
		}
		return req.resource, req.checkResourceName()
	}
	if req.scope == "" && req.resource != "" && arm.Fold(req.pathTenant) == adfs {
		return req.resource, req.checkResourceName()
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

// audienceOf returns the one resource in a scope. MSAL adds the scopes of OpenID Connect to every request;
// they are ignored, because no user signs in.
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

// checkResourceName checks the resource of an endpoint that has no scopes.
func (req *tokenRequest) checkResourceName() error {
	if !plausibleResource(req.resource) {
		return errResource(req.resource, req.tenant.DisplayName)
	}
	return nil
}

// plausibleResource is plausible for an endpoint that has no scopes. A value that ends in /.default is a scope of
// the newer endpoint, and Entra has no resource of that name.
func plausibleResource(resource string) bool {
	return plausible(resource) && !strings.HasSuffix(strings.TrimRight(arm.Fold(resource), "/"), defaultScope)
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
