package login

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// endpoint is one row of the table of endpoints.
type endpoint struct {
	Name        string // a metric label
	Tenant      string // the first segment of the path: tenantSegment, or adfs, or oidc
	Path        string // after the first segment, folded; one that ends in a slash is followed by one more segment
	Methods     string // the methods that it accepts, as AADSTS900561 lists them
	HTML        bool   // its answers are pages
	FollowsForm bool   // forms lead to it by a redirect
	CrossOrigin bool   // pages of other sites may use it
	Serve       func(*request) error
}

// The methods that endpoints accept.
const (
	reads  = "GET, OPTIONS"
	posts  = "POST"
	either = "POST, GET"
)

// The first segments of paths. tenantSegment stands for any tenant but adfs.
const (
	tenantSegment = "{tenant}"
	oidc          = "oidc"
)

// table lists all endpoints.
func (h *Handler) table() []endpoint {
	d, t, s := h.discovery, h.tokens, h.signIn
	return []endpoint{
		{Name: "openid-configuration v2.0", Tenant: tenantSegment, Path: "v2.0/.well-known/openid-configuration", Methods: reads, CrossOrigin: true, Serve: d.configurationV2},
		{Name: "openid-configuration v1.0", Tenant: tenantSegment, Path: ".well-known/openid-configuration", Methods: reads, CrossOrigin: true, Serve: d.configurationV1},
		{Name: "keys v2.0", Tenant: tenantSegment, Path: "discovery/v2.0/keys", Methods: reads, CrossOrigin: true, Serve: d.keysV2},
		{Name: "keys v1.0", Tenant: tenantSegment, Path: "discovery/keys", Methods: reads, CrossOrigin: true, Serve: d.keysV1},
		{Name: "revocations", Tenant: tenantSegment, Path: "discovery/v2.0/revocations", Methods: reads, CrossOrigin: true, Serve: d.revocations},
		{Name: "instance discovery", Tenant: tenantSegment, Path: "discovery/instance", Methods: reads, CrossOrigin: true, Serve: d.instance},
		{Name: "user realm", Tenant: tenantSegment, Path: "userrealm/", Methods: reads, Serve: d.userRealm},

		{Name: "token v2.0", Tenant: tenantSegment, Path: "oauth2/v2.0/token", Methods: posts, CrossOrigin: true, Serve: t.tokenV2},
		{Name: "token v1.0", Tenant: tenantSegment, Path: "oauth2/token", Methods: posts, CrossOrigin: true, Serve: t.tokenV1},
		{Name: "introspect", Tenant: tenantSegment, Path: "oauth2/v2.0/introspect", Methods: posts, Serve: t.introspect},
		{Name: "devicecode v2.0", Tenant: tenantSegment, Path: "oauth2/v2.0/devicecode", Methods: posts, Serve: t.deviceCodeV2},
		{Name: "devicecode v1.0", Tenant: tenantSegment, Path: "oauth2/devicecode", Methods: posts, Serve: t.deviceCodeV1},
		{Name: "userinfo", Tenant: tenantSegment, Path: "openid/userinfo", Methods: either, CrossOrigin: true, Serve: t.userInfo},
		{Name: "userinfo", Tenant: oidc, Path: "userinfo", Methods: either, CrossOrigin: true, Serve: t.userInfo},

		{Name: "authorize v2.0", Tenant: tenantSegment, Path: "oauth2/v2.0/authorize", Methods: either, HTML: true, Serve: s.authorizeV2},
		{Name: "authorize v1.0", Tenant: tenantSegment, Path: "oauth2/authorize", Methods: either, HTML: true, Serve: s.authorizeV1},
		{Name: "admin consent v2.0", Tenant: tenantSegment, Path: "v2.0/adminconsent", Methods: either, HTML: true, Serve: s.adminConsentV2},
		{Name: "admin consent v1.0", Tenant: tenantSegment, Path: "adminconsent", Methods: either, HTML: true, Serve: s.adminConsentV1},
		{Name: "sign in", Tenant: tenantSegment, Path: "login", Methods: either, HTML: true, FollowsForm: true, Serve: s.signIn},
		{Name: "device page", Tenant: tenantSegment, Path: "oauth2/deviceauth", Methods: either, HTML: true, Serve: s.devicePage},
		{Name: "sign out", Tenant: tenantSegment, Path: "oauth2/v2.0/logout", Methods: either, HTML: true, Serve: s.signOut},
		{Name: "sign out", Tenant: tenantSegment, Path: "oauth2/logout", Methods: either, HTML: true, Serve: s.signOut},

		// AD FS has the paths of the v1.0 endpoints, but its requests and answers are those of v2.0.
		{Name: "openid-configuration adfs", Tenant: adfs, Path: ".well-known/openid-configuration", Methods: reads, CrossOrigin: true, Serve: d.configurationADFS},
		{Name: "keys v1.0", Tenant: adfs, Path: "discovery/keys", Methods: reads, CrossOrigin: true, Serve: d.keysV1},
		{Name: "token adfs", Tenant: adfs, Path: "oauth2/token", Methods: posts, CrossOrigin: true, Serve: t.tokenV2},
		{Name: "devicecode adfs", Tenant: adfs, Path: "oauth2/devicecode", Methods: posts, Serve: t.deviceCodeV2},
		{Name: "authorize adfs", Tenant: adfs, Path: "oauth2/authorize", Methods: either, HTML: true, Serve: s.authorizeV2},
		{Name: "sign in", Tenant: adfs, Path: "login", Methods: either, HTML: true, FollowsForm: true, Serve: s.signIn},
		{Name: "device page", Tenant: adfs, Path: "oauth2/deviceauth", Methods: either, HTML: true, Serve: s.devicePage},
		{Name: "sign out", Tenant: adfs, Path: "oauth2/logout", Methods: either, HTML: true, Serve: s.signOut},
	}
}

// index maps tenant and path to the rows of the table.
func index(rows []endpoint) map[string]*endpoint {
	all := make(map[string]*endpoint, len(rows))
	for i := range rows {
		all[rows[i].Tenant+"/"+rows[i].Path] = &rows[i]
	}
	return all
}

// find returns the endpoint of a folded path, which was split after its first segment, or nil.
func (h *Handler) find(first, rest string) *endpoint {
	if e := h.endpoints[first+"/"+rest]; e != nil || first == adfs {
		return e
	}
	if e := h.endpoints[tenantSegment+"/"+rest]; e != nil {
		return e
	}
	folder, _, found := strings.Cut(rest, "/")
	if !found {
		return nil
	}
	return h.endpoints[tenantSegment+"/"+folder+"/"]
}

func (e *endpoint) accepts(method string) bool {
	switch method {
	case http.MethodPost:
		return e.Methods != reads
	case http.MethodGet, http.MethodHead:
		return e.Methods != posts
	}
	return false
}

// Serves reports whether a decoded path of the server's own origin belongs to this API: it is the path of
// an endpoint, or an unknown path below one of this API's folders. A path that begins like one of ARM or
// Graph never belongs to this API.
func (h *Handler) Serves(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(arm.Fold(path), "/"), "/")
	switch first {
	case "", "subscriptions", "providers", "tenants", "metadata", "v1.0", "beta":
		return false
	case common, organizations, consumers, adfs:
		return true
	case oidc:
		return h.endpoints[first+"/"+rest] != nil
	}
	folder, _, _ := strings.Cut(rest, "/")
	switch folder {
	case "oauth2", "v2.0", ".well-known", "discovery":
		return true
	}
	e := h.find(first, rest)
	return e != nil && e.Path == rest
}
