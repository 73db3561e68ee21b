package login

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/revocation"
	"midas/internal/store"
	"midas/internal/token"
)

// discovery has the public endpoints: discovery documents, key sets and user realms.
type discovery struct {
	*accounts
	lists *revocation.Lists
}

func newDiscovery(a *accounts) *discovery {
	return &discovery{a, &revocation.Lists{Directory: a.Directory, Issuer: a.issuer(), Now: a.Now}}
}

// configuration is an OpenID discovery document. It has those fields of Entra's that apply here, the supported
// code challenge methods, as RFC 8414 defines them, and the address of the list of revocations.
type configuration struct {
	TokenEndpoint         string   `json:"token_endpoint"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	KeysURI               string   `json:"jwks_uri"`
	ResponseModes         []string `json:"response_modes_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	AssertionAlgorithms   []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	Scopes                []string `json:"scopes_supported"`
	Issuer                string   `json:"issuer"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	Claims                []string `json:"claims_supported"`

	HTTPLogout         bool    `json:"http_logout_supported"`
	FrontChannelLogout bool    `json:"frontchannel_logout_supported"`
	Kerberos           string  `json:"kerberos_endpoint"`
	Region             *string `json:"tenant_region_scope"` // null for names that stand for any tenant
	CloudInstance      string  `json:"cloud_instance_name"`
	CloudGraphHost     string  `json:"cloud_graph_host_name"`
	GraphHost          string  `json:"msgraph_host"`
	RBAC               string  `json:"rbac_url"`

	// Entra has none of these. They are not in the documents of names that stand for any tenant.
	Introspection           string   `json:"introspection_endpoint,omitempty"`
	IntrospectionMethods    []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAlgorithms []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	Revocations             string   `json:"midas_revocations_uri,omitempty"`
}

// paths are the paths in which the two versions of the document differ.
type paths struct{ oauth, keys string }

func (h *discovery) configurationV2(x *request) error {
	return h.configuration(x, paths{"/oauth2/v2.0", "/discovery/v2.0/keys"}, h.issuerV2)
}

func (h *discovery) configurationV1(x *request) error {
	return h.configuration(x, paths{"/oauth2", "/discovery/keys"}, h.issuerV1)
}

// configurationADFS is the document of the home tenant.
func (h *discovery) configurationADFS(x *request) error { return h.configurationV1(x) }

func (h *discovery) configuration(x *request, p paths, issuer func(*request, string) string) error {
	name, issuerName, err := h.discovered(x)
	if err != nil {
		return err
	}
	base := x.origin + "/" + name
	userInfo := x.origin + "/oidc/userinfo"
	if x.azure {
		userInfo = graph + "/oidc/userinfo"
	}
	readable.Set(x.w.Header())
	c := configuration{
		TokenEndpoint:         base + p.oauth + "/token",
		TokenAuthMethods:      []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		KeysURI:               base + p.keys,
		ResponseModes:         []string{"query", "fragment", "form_post"},
		SubjectTypes:          []string{"pairwise"},
		SigningAlgorithms:     []string{"RS256"},
		AssertionAlgorithms:   []string{"RS256", "PS256"},
		ResponseTypes:         []string{"code"},
		GrantTypes:            []string{"authorization_code", "refresh_token", "client_credentials", "password", "urn:ietf:params:oauth:grant-type:device_code", onBehalf},
		ChallengeMethods:      []string{"S256", "plain"},
		Scopes:                []string{"openid", "profile", "email", "offline_access"},
		Issuer:                issuer(x, issuerName),
		UserInfoEndpoint:      userInfo,
		AuthorizationEndpoint: base + p.oauth + "/authorize",
		DeviceEndpoint:        base + p.oauth + "/devicecode",
		EndSessionEndpoint:    base + p.oauth + "/logout",
		Claims:                []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "amr", "nonce", "preferred_username", "name", "oid", "tid", "ver", "email"},
	}
	if !shared(x.pathTenant) {
		c.Introspection, c.IntrospectionMethods, c.IntrospectionAlgorithms = x.origin+"/"+issuerName+introspectPath, c.TokenAuthMethods, c.AssertionAlgorithms
		c.Revocations = x.origin + "/" + issuerName + revocationsPath
	}
	c.describeCloud(x, base)
	return httpx.WriteJSON(x.w, http.StatusOK, c)
}

// describeCloud sets the fields in which Entra names the services of its cloud. For clients that came by the
// server's own origin, the cloud is this server. Nothing answers at kerberos_endpoint and rbac_url; clients that
// compare documents expect them.
func (c *configuration) describeCloud(x *request, base string) {
	c.HTTPLogout, c.FrontChannelLogout, c.Kerberos = true, true, base+"/kerberos"
	if !shared(x.pathTenant) {
		c.Region = new("WW")
	}
	if x.azure {
		c.CloudInstance, c.CloudGraphHost, c.GraphHost, c.RBAC = "microsoftonline.com", "graph.windows.net", azure.GraphHost, "https://pas.windows.net"
		return
	}
	host := strings.TrimPrefix(x.origin, "https://")
	c.CloudInstance, c.CloudGraphHost, c.GraphHost, c.RBAC = host, host, host, x.origin
}

// keySet is a JSON Web Key Set.
type keySet struct {
	Keys []token.PublicKey `json:"keys"`
}

// keysV2 adds to each key the issuer whose tokens it signs, as a template, as Entra does. The keys are the
// same for all tenants.
func (h *discovery) keysV2(x *request) error { return h.keys(x, h.issuerV2(x, tenantTemplate)) }

func (h *discovery) keysV1(x *request) error { return h.keys(x, "") }

func (h *discovery) keys(x *request, issuer string) error {
	// The set has every key that any replica signs with, or there is no answer: clients keep it for long. So the tenant
	// is read from the same revision: a read that may be a second old is refused as soon as the feed is behind.
	x.r = x.r.WithContext(store.Fresh(x.r.Context()))
	if _, _, err := h.discovered(x); err != nil {
		return err
	}
	if err := h.issuer().Keys.Refresh(x.r.Context()); err != nil {
		return err
	}
	readable.Set(x.w.Header())
	return httpx.WriteJSON(x.w, http.StatusOK, keySet{h.issuer().Keys.PublicKeys(issuer)})
}

// discovered returns the tenant's name in the addresses of its discovery document, and its name in the
// issuer. For a shared name the latter is a template, in which clients insert the tenant of a token.
func (h *discovery) discovered(x *request) (name, issuerName string, err error) {
	if shared(x.pathTenant) {
		return arm.Fold(x.pathTenant), tenantTemplate, nil
	}
	t, err := h.tenant(x.r.Context(), x.pathTenant)
	if errors.Is(err, directory.ErrNotFound) {
		return "", "", errDiscoveryTenant(x.pathTenant)
	}
	if arm.Fold(x.pathTenant) == adfs {
		return adfs, t.ID, err
	}
	return t.ID, t.ID, err
}

// tenantTemplate is the placeholder for the tenant of a token in issuers.
const tenantTemplate = "{tenantid}"
