package login

import (
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/token"
)

// configuration is an OpenID discovery document. It has the fields that are true: what Entra's has
// beyond them is for endpoints that do not exist here. Two need a word. The Azure SDKs refuse a
// document without authorization_endpoint, so it is named before it answers. And the standard
// requires response_types_supported, which is empty for as long as nobody can sign in with a browser.
type configuration struct {
	TokenEndpoint         string   `json:"token_endpoint"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	KeysURI               string   `json:"jwks_uri"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	Issuer                string   `json:"issuer"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	Claims                []string `json:"claims_supported"`
}

// paths are the parts in which the documents of the two versions differ.
type paths struct{ token, keys, authorize string }

func (h *Handler) configurationV2(x *exchange) error {
	return h.configuration(x, paths{"/oauth2/v2.0/token", "/discovery/v2.0/keys", "/oauth2/v2.0/authorize"}, h.issuer().IssuerV2)
}

func (h *Handler) configurationV1(x *exchange) error {
	return h.configuration(x, paths{"/oauth2/token", "/discovery/keys", "/oauth2/authorize"}, h.issuer().IssuerV1)
}

func (h *Handler) configuration(x *exchange, p paths, issuer func(string) string) error {
	name, issuerName, err := h.discovered(x)
	if err != nil {
		return err
	}
	base := h.issuer().Origin + "/" + name
	setAll(x.w.Header(), readable)
	return httpx.WriteJSON(x.w, http.StatusOK, configuration{
		TokenEndpoint:         base + p.token,
		TokenAuthMethods:      []string{"client_secret_post", "client_secret_basic"},
		KeysURI:               base + p.keys,
		SubjectTypes:          []string{"pairwise"},
		SigningAlgorithms:     []string{"RS256"},
		ResponseTypes:         []string{},
		Issuer:                issuer(issuerName),
		AuthorizationEndpoint: base + p.authorize,
		Claims:                []string{"sub", "iss", "aud", "exp", "iat", "tid", "ver"},
	})
}

// keySet is a JSON Web Key Set.
type keySet struct {
	Keys []token.PublicKey `json:"keys"`
}

// keysV2 tells with each key the issuer whose tokens it signs, as a template, as Entra does. The
// keys are the same for all tenants.
func (h *Handler) keysV2(x *exchange) error { return h.keys(x, h.issuer().IssuerV2(tenantTemplate)) }

func (h *Handler) keysV1(x *exchange) error { return h.keys(x, "") }

func (h *Handler) keys(x *exchange, issuer string) error {
	if _, _, err := h.discovered(x); err != nil {
		return err
	}
	setAll(x.w.Header(), readable)
	return httpx.WriteJSON(x.w, http.StatusOK, keySet{h.issuer().Keys.PublicKeys(issuer)})
}
