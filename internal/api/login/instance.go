package login

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// cloud is a set of host names of one sign-in service. Network is the host to call, Cache the one under
// which clients cache tokens.
type cloud struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// clouds returns the sign-in services of Microsoft, as Entra's instance discovery lists them, and then
// this server. MSAL asks a Microsoft host about authorities that it does not know; this list answers when
// that host name resolves to this server.
func clouds(own string) []cloud {
	return []cloud{
		{"login.microsoftonline.com", "login.windows.net", []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
		{"login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn", []string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}},
		{"login.microsoftonline.de", "login.microsoftonline.de", []string{"login.microsoftonline.de"}},
		{"login.microsoftonline.us", "login.microsoftonline.us", []string{"login.microsoftonline.us", "login.usgovcloudapi.net"}},
		{"login-us.microsoftonline.com", "login-us.microsoftonline.com", []string{"login-us.microsoftonline.com"}},
		{own, own, []string{own}},
	}
}

// instanceAnswer has the address of an authority's discovery document. The api-version 1.1 adds the
// clouds.
type instanceAnswer struct {
	Endpoint string  `json:"tenant_discovery_endpoint"`
	Version  string  `json:"api-version,omitempty"`
	Metadata []cloud `json:"metadata,omitempty"`
}

// instance answers whether an authority is known. It does not check whether the tenant exists.
func (h *discovery) instance(x *request) error {
	query := x.r.URL.Query()
	version, authorize := query.Get("api-version"), query.Get("authorization_endpoint")
	switch {
	case version == "":
		return errMissingField("api-version")
	case authorize == "":
		return errMissingField("authorization_endpoint")
	case version != "1.0" && version != "1.1":
		return errMalformed(http.StatusBadRequest)
	}
	origin, err := url.Parse(h.issuer().Origin)
	if err != nil {
		return err
	}
	asked, err := url.Parse(authorize)
	if err != nil || asked.Scheme != "https" {
		return errInstance()
	}
	// Azure CLI omits the port of the authority here, so only host names are compared.
	known := clouds(origin.Host)
	host := arm.Fold(asked.Hostname())
	base := "https://" + host
	switch {
	case host == arm.Fold(origin.Hostname()):
		base = h.issuer().Origin
	case !slices.ContainsFunc(known[:len(known)-1], func(c cloud) bool { return slices.Contains(c.Aliases, host) }):
		return errInstance()
	}
	path, err := arm.SkipEmptySegments(asked.EscapedPath())
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || tenant == "" {
		return errInstance()
	}
	answer := instanceAnswer{Endpoint: base + "/" + tenant + "/.well-known/openid-configuration"}
	if strings.HasPrefix(arm.Fold(rest), "oauth2/v2.0/") {
		answer.Endpoint = base + "/" + tenant + "/v2.0/.well-known/openid-configuration"
	}
	if version == "1.1" {
		answer.Version, answer.Metadata = version, known
	}
	readable.Set(x.w.Header())
	return httpx.WriteJSON(x.w, http.StatusOK, answer)
}
