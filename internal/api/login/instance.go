package login

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// cloud is a set of hosts that are one sign-in service. The first is the one to talk to, the second
// the one under which tokens are cached.
type cloud struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// clouds are the sign-in services of Microsoft, as its own instance discovery lists them, and then
// ours. MSAL asks at a Microsoft host about any authority it does not know; when that name leads
// here, this is what answers.
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

// instanceAnswer says where an authority's discovery document is. The second version adds the
// clouds.
type instanceAnswer struct {
	Endpoint string  `json:"tenant_discovery_endpoint"`
	Version  string  `json:"api-version,omitempty"`
	Metadata []cloud `json:"metadata,omitempty"`
}

// instance answers whether an authority is known. Whether it has the tenant is not its business.
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
	// Azure CLI leaves out the port of the authority here, so only names are compared.
	known := clouds(origin.Host)
	host := arm.Fold(asked.Hostname())
	base := "https://" + host
	switch {
	case host == arm.Fold(origin.Hostname()):
		base = h.issuer().Origin
	case !slices.ContainsFunc(known[:len(known)-1], func(c cloud) bool { return slices.Contains(c.Aliases, host) }):
		return errInstance()
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(asked.EscapedPath(), "/"), "/")
	if tenant == "" {
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
