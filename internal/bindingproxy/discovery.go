package bindingproxy

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"midas/internal/api/httpx"
)

// The SDKs send all requests of a credential to the proxy, so also those for the discovery documents of the authority.
// The proxy writes these documents itself. They name the authority that the client believes in, because the client
// sends its token request to the proxy whatever they name. The SDK for Go sends the authority's name as Host. The one
// for JavaScript sends the proxy's; it then gets an issuer that every MSAL trusts.

// trustedIssuer is the host of the issuer for clients that do not say in which authority they believe.
const trustedIssuer = "login.microsoftonline.com"

// hostName is a host with or without a port.
var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?$`)

// configuration is the discovery document of a tenant.
type configuration struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	KeysURI               string   `json:"jwks_uri"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
}

// serveConfiguration answers with the discovery document of a tenant.
func (h *handler) serveConfiguration(w http.ResponseWriter, r *http.Request, tenant string) error {
	if !hostName.MatchString(r.Host) {
		return errMalformed(http.StatusBadRequest)
	}
	issuer := r.Host
	if h.own(r.Host) {
		issuer = trustedIssuer
	}
	base := "https://" + r.Host + "/" + tenant
	return writeDocument(w, configuration{
		Issuer:                "https://" + issuer + "/" + tenant + "/v2.0",
		AuthorizationEndpoint: base + "/oauth2/v2.0/authorize",
		TokenEndpoint:         base + "/oauth2/v2.0/token",
		KeysURI:               base + "/discovery/v2.0/keys",
		TokenAuthMethods:      []string{"private_key_jwt"},
		GrantTypes:            []string{"client_credentials"},
		ResponseTypes:         []string{"id_token"},
		SubjectTypes:          []string{"pairwise"},
		SigningAlgorithms:     []string{"RS256"},
	})
}

// instance is the answer to the question whether an authority is known.
type instance struct {
	Endpoint string  `json:"tenant_discovery_endpoint"`
	Version  string  `json:"api-version"`
	Metadata []cloud `json:"metadata"`
}

// cloud is a set of host names of one sign-in service.
type cloud struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// serveInstance answers that the authority of the query is known, if its tenant is the proxy's.
func (h *handler) serveInstance(w http.ResponseWriter, r *http.Request) error {
	authorize, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || authorize.Scheme != "https" || !hostName.MatchString(authorize.Host) {
		return errInstance()
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(authorize.Path, "/"), "/")
	tenant, known := h.tenant(name)
	if !known {
		return errTenant(name)
	}
	host := authorize.Host
	return writeDocument(w, instance{
		Endpoint: "https://" + host + "/" + tenant + "/v2.0/.well-known/openid-configuration", Version: "1.1",
		Metadata: []cloud{{Network: host, Cache: host, Aliases: []string{host}}},
	})
}

// writeDocument answers with a document that no cache may keep, because it depends on the Host header.
func writeDocument(w http.ResponseWriter, document any) error {
	w.Header().Set("Cache-Control", "no-store")
	return httpx.WriteJSON(w, http.StatusOK, document)
}
