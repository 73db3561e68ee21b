package login

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// endpoint is one kind of request. Its name is a metric label.
type endpoint struct {
	name        string
	methods     string // what it accepts, as AADSTS900561 lists it
	html        bool   // it is for people
	crossOrigin bool   // pages of other sites may use it
	serve       func(*Handler, *exchange) error
}

// The methods that endpoints accept.
const (
	reads  = "GET, OPTIONS"
	posts  = "POST"
	either = "POST, GET"
)

func (e endpoint) accepts(method string) bool {
	switch method {
	case http.MethodPost:
		return e.methods != reads
	case http.MethodGet, http.MethodHead:
		return e.methods != posts
	}
	return false
}

// find gives the endpoint of a path, cut behind the tenant.
func find(first, rest string) (endpoint, bool) {
	folded := arm.Fold(rest)
	if arm.Fold(first) == adfs {
		return findADFS(folded)
	}
	if arm.Fold(first) == "oidc" && folded == "userinfo" {
		return endpoint{"userinfo", either, false, true, (*Handler).userInfo}, true
	}
	if strings.HasPrefix(folded, "userrealm/") {
		return endpoint{"user realm", reads, false, false, (*Handler).userRealm}, true
	}
	for _, part := range []func(string) (endpoint, bool){findDocument, findToken, findPage} {
		if e, ok := part(folded); ok {
			return e, true
		}
	}
	return endpoint{}, false
}

// findDocument has what everybody may read.
func findDocument(rest string) (endpoint, bool) {
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		return endpoint{"openid-configuration v2.0", reads, false, false, (*Handler).configurationV2}, true
	case ".well-known/openid-configuration":
		return endpoint{"openid-configuration v1.0", reads, false, false, (*Handler).configurationV1}, true
	case "discovery/v2.0/keys":
		return endpoint{"keys v2.0", reads, false, false, (*Handler).keysV2}, true
	case "discovery/keys":
		return endpoint{"keys v1.0", reads, false, false, (*Handler).keysV1}, true
	case "discovery/instance":
		return endpoint{"instance discovery", reads, false, false, (*Handler).instance}, true
	}
	return endpoint{}, false
}

// findToken has what programs ask for their users and for themselves.
func findToken(rest string) (endpoint, bool) {
	switch rest {
	case "oauth2/v2.0/token":
		return endpoint{"token v2.0", posts, false, true, (*Handler).tokenV2}, true
	case "oauth2/token":
		return endpoint{"token v1.0", posts, false, true, (*Handler).tokenV1}, true
	case "oauth2/v2.0/devicecode":
		return endpoint{"devicecode v2.0", posts, false, false, (*Handler).deviceCodeV2}, true
	case "oauth2/devicecode":
		return endpoint{"devicecode v1.0", posts, false, false, (*Handler).deviceCodeV1}, true
	case "openid/userinfo":
		return endpoint{"userinfo", either, false, true, (*Handler).userInfo}, true
	}
	return endpoint{}, false
}

// findPage has what people see.
func findPage(rest string) (endpoint, bool) {
	switch rest {
	case "oauth2/v2.0/authorize":
		return endpoint{"authorize v2.0", either, true, false, (*Handler).authorizeV2}, true
	case "oauth2/authorize":
		return endpoint{"authorize v1.0", either, true, false, (*Handler).authorizeV1}, true
	case "v2.0/adminconsent":
		return endpoint{"admin consent v2.0", either, true, false, (*Handler).adminConsentV2}, true
	case "adminconsent":
		return endpoint{"admin consent v1.0", either, true, false, (*Handler).adminConsentV1}, true
	case "login":
		return endpoint{"sign in", posts, true, false, (*Handler).signIn}, true
	case "oauth2/deviceauth":
		return endpoint{"device page", either, true, false, (*Handler).devicePage}, true
	case "oauth2/v2.0/logout", "oauth2/logout":
		return endpoint{"sign out", either, true, false, (*Handler).signOut}, true
	}
	return endpoint{}, false
}

// findADFS has the paths of AD FS. They are those of the first version, but requests and answers are
// like the second's.
func findADFS(rest string) (endpoint, bool) {
	switch rest {
	case ".well-known/openid-configuration":
		return endpoint{"openid-configuration adfs", reads, false, false, (*Handler).configurationADFS}, true
	case "oauth2/token":
		return endpoint{"token adfs", posts, false, true, (*Handler).tokenV2}, true
	case "oauth2/devicecode":
		return endpoint{"devicecode adfs", posts, false, false, (*Handler).deviceCodeV2}, true
	case "oauth2/authorize":
		return endpoint{"authorize adfs", either, true, false, (*Handler).authorizeV2}, true
	case "discovery/keys":
		return findDocument(rest)
	case "login", "oauth2/deviceauth", "oauth2/logout":
		return findPage(rest)
	}
	return endpoint{}, false
}

// Serves reports whether a decoded path belongs to this face. What begins like a path of ARM or of
// Graph never does, whatever follows.
func Serves(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch arm.Fold(first) {
	case "", "subscriptions", "providers", "tenants", "metadata", "v1.0", "beta":
		return false
	case common, organizations, consumers, adfs:
		return true
	case "oidc":
		return arm.Fold(rest) == "userinfo"
	}
	second, third, _ := strings.Cut(rest, "/")
	switch arm.Fold(second) {
	case "oauth2", "v2.0", ".well-known", "discovery":
		return true
	case "login", "adminconsent":
		return third == ""
	case "openid":
		return arm.Fold(third) == "userinfo"
	}
	return false
}
