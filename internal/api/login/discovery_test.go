package login_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/httpx"
	"midas/internal/store"
)

func TestDiscoveryNamesTheTenantsIssuer(t *testing.T) {
	f := newFixture(t)
	tests := []struct{ path, issuer, base, version string }{
		{"/" + tenant + "/v2.0/.well-known/openid-configuration", origin + "/" + tenant + "/v2.0", origin + "/" + tenant, "/v2.0"},
		{"/" + tenant + "/.well-known/openid-configuration", origin + "/" + tenant + "/", origin + "/" + tenant, ""},
		{"/" + domain + "/v2.0/.well-known/openid-configuration", origin + "/" + tenant + "/v2.0", origin + "/" + tenant, "/v2.0"},
		{"/" + strings.ToUpper(tenant) + "/.well-known/openid-configuration", origin + "/" + tenant + "/", origin + "/" + tenant, ""},
		{"/common/v2.0/.well-known/openid-configuration", origin + "/{tenantid}/v2.0", origin + "/common", "/v2.0"},
		{"/common/.well-known/openid-configuration", origin + "/{tenantid}/", origin + "/common", ""},
		{"/Organizations/v2.0/.well-known/openid-configuration", origin + "/{tenantid}/v2.0", origin + "/organizations", "/v2.0"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			w := f.get(test.path)
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			oauth := test.base + "/oauth2" + test.version
			var region any = "WW"
			if strings.HasSuffix(test.base, "/common") || strings.HasSuffix(test.base, "/organizations") {
				region = nil
			}
			want := map[string]any{
				"issuer":                                test.issuer,
				"token_endpoint":                        oauth + "/token",
				"authorization_endpoint":                oauth + "/authorize",
				"device_authorization_endpoint":         oauth + "/devicecode",
				"end_session_endpoint":                  oauth + "/logout",
				"userinfo_endpoint":                     origin + "/oidc/userinfo",
				"jwks_uri":                              test.base + "/discovery" + test.version + "/keys",
				"token_endpoint_auth_methods_supported": []any{"client_secret_post", "private_key_jwt", "client_secret_basic"},
				"token_endpoint_auth_signing_alg_values_supported": []any{"RS256", "PS256"},
				"response_modes_supported":                         []any{"query", "fragment", "form_post"},
				"subject_types_supported":                          []any{"pairwise"},
				"id_token_signing_alg_values_supported":            []any{"RS256"},
				"response_types_supported":                         []any{"code"},
				"grant_types_supported": []any{
					"authorization_code", "refresh_token", "client_credentials", "password",
					"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
				},
				"code_challenge_methods_supported": []any{"S256", "plain"},
				"http_logout_supported":            true, "frontchannel_logout_supported": true, "kerberos_endpoint": test.base + "/kerberos",
				"tenant_region_scope": region, "cloud_instance_name": "login.test:8443", "cloud_graph_host_name": "login.test:8443",
				"msgraph_host": "login.test:8443", "rbac_url": origin,
				"scopes_supported":                []any{"openid", "profile", "email", "offline_access"},
				"request_parameter_supported":     false,
				"request_uri_parameter_supported": false,
				"claims_supported": []any{
					"sub", "iss", "aud", "exp", "iat", "auth_time", "amr", "nonce", "preferred_username", "name", "oid", "tid", "ver", "email",
				},
			}
			if region != nil {
				want["introspection_endpoint"] = origin + "/" + tenant + "/oauth2/v2.0/introspect"
				want["introspection_endpoint_auth_methods_supported"] = want["token_endpoint_auth_methods_supported"]
				want["introspection_endpoint_auth_signing_alg_values_supported"] = want["token_endpoint_auth_signing_alg_values_supported"]
				want["midas_revocations_uri"] = origin + "/" + tenant + "/discovery/v2.0/revocations"
			}
			if diff := cmp.Diff(want, decode(t, w)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiscoveryEndpointsExist sends a request to every URL in the documents.
func TestDiscoveryEndpointsExist(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{tenant, "common"} {
		for _, version := range []string{"/v2.0", ""} {
			doc := decode(t, f.get("/"+name+version+"/.well-known/openid-configuration"))
			for field, value := range doc {
				address, ok := value.(string)
				if !ok || !strings.Contains(address, "://") || field == "issuer" || field == "kerberos_endpoint" || field == "rbac_url" {
					continue
				}
				path, ok := strings.CutPrefix(address, origin)
				if !ok {
					t.Errorf("%s: %s is on another host", field, address)
				}
				if w := f.get(path); w.Code == http.StatusNotFound {
					t.Errorf("%s: %s answers %d", field, address, w.Code)
				}
			}
		}
	}
}

func TestKeySets(t *testing.T) {
	f := newFixture(t)
	if _, err := f.keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, issuer := range map[string]string{
		"/" + tenant + "/discovery/v2.0/keys": origin + "/{tenantid}/v2.0",
		"/common/discovery/v2.0/keys":         origin + "/{tenantid}/v2.0",
		"/" + domain + "/discovery/keys":      "",
		"/common/discovery/keys":              "",
	} {
		var want []any
		for _, k := range f.keys.PublicKeys(issuer) {
			key := map[string]any{
				"kty": k.KeyType, "use": k.Use, "kid": k.KeyID, "x5t": k.Thumbprint, "n": k.Modulus, "e": k.Exponent,
				"x5c": []any{k.Certificates[0]},
			}
			if issuer != "" {
				key["issuer"] = issuer
			}
			want = append(want, key)
		}
		if len(want) != 2 {
			t.Fatalf("%d keys, want 2", len(want))
		}
		if diff := cmp.Diff(map[string]any{"keys": want}, decode(t, f.get(path))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestDiscoveryRefusesUnknownTenants(t *testing.T) {
	f := newFixture(t)
	for _, endpoint := range []string{"/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration", "/discovery/v2.0/keys", "/discovery/keys"} {
		w := f.get("/" + other + endpoint)
		body := decode(t, w)
		got := []any{w.Code, body["error"], body["error_codes"], w.Header().Get("Cache-Control"), w.Header().Get("Access-Control-Allow-Origin")}
		if diff := cmp.Diff([]any{400, "invalid_tenant", []any{90002.0}, "no-store, no-cache", "*"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", endpoint, diff)
		}
	}
}

func TestInstanceDiscovery(t *testing.T) {
	f := newFixture(t)
	const authorize = "/" + tenant + "/oauth2/v2.0/authorize"
	tests := []struct {
		name, version, endpoint string
		want                    string // tenant_discovery_endpoint
		number                  float64
	}{
		{name: "a Microsoft host", version: "1.1", endpoint: "https://login.microsoftonline.com" + authorize, want: "https://login.microsoftonline.com/" + tenant + "/v2.0/.well-known/openid-configuration"},
		{name: "an alias in capitals", version: "1.1", endpoint: "https://LOGIN.windows.net" + authorize, want: "https://login.windows.net/" + tenant + "/v2.0/.well-known/openid-configuration"},
		{name: "our host", version: "1.1", endpoint: origin + authorize, want: origin + "/" + tenant + "/v2.0/.well-known/openid-configuration"},
		{name: "our host without its port", version: "1.0", endpoint: "https://login.test" + authorize, want: origin + "/" + tenant + "/v2.0/.well-known/openid-configuration"},
		{name: "a v1 authority", version: "1.0", endpoint: origin + "/common/oauth2/authorize", want: origin + "/common/.well-known/openid-configuration"},
		{name: "an empty segment", version: "1.1", endpoint: origin + "/" + authorize, want: origin + "/" + tenant + "/v2.0/.well-known/openid-configuration"},
		{name: "two empty segments", version: "1.1", endpoint: origin + "//" + authorize, number: 50049},
		{name: "a foreign host", version: "1.1", endpoint: "https://login.attacker.test" + authorize, number: 50049},
		{name: "a subdomain of our host", version: "1.1", endpoint: "https://x.login.test" + authorize, number: 50049},
		{name: "a host after userinfo", version: "1.1", endpoint: "https://login.test@attacker.test" + authorize, number: 50049},
		{name: "no tenant", version: "1.1", endpoint: origin, number: 50049},
		{name: "no https", version: "1.1", endpoint: "http://login.test:8443" + authorize, number: 50049},
		{name: "no URL", version: "1.1", endpoint: "://", number: 50049},
		{name: "no endpoint", version: "1.1", number: 90014},
		{name: "no version", endpoint: origin + authorize, number: 90014},
		{name: "unknown version", version: "2.0", endpoint: origin + authorize, number: 9002313},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			query := url.Values{}
			if test.version != "" {
				query.Set("api-version", test.version)
			}
			if test.endpoint != "" {
				query.Set("authorization_endpoint", test.endpoint)
			}
			w := f.get("/common/discovery/instance?" + query.Encode())
			body := decode(t, w)
			if test.number != 0 {
				if diff := cmp.Diff([]any{400, []any{test.number}}, []any{w.Code, body["error_codes"]}); diff != "" {
					t.Errorf("refusal (-want +got):\n%s", diff)
				}
				return
			}
			if w.Code != http.StatusOK || body["tenant_discovery_endpoint"] != test.want {
				t.Errorf("status %d, endpoint %v, want %s", w.Code, body["tenant_discovery_endpoint"], test.want)
			}
			metadata, _ := body["metadata"].([]any)
			if (len(metadata) == 6) != (test.version == "1.1") || (body["api-version"] == "1.1") != (test.version == "1.1") {
				t.Errorf("version %v with %d clouds", body["api-version"], len(metadata))
			}
		})
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{
		"/" + tenant + "/oauth2/v2.0/authorize/", "/" + tenant + "/oauth2/v2.0/token/", "/adfs/oauth2/v2.0/token", "/adfs/discovery/instance", "/" + tenant + "//oauth2/token",
		"/" + tenant + "/oauth2%2Ftoken", "/" + tenant + "/x/../oauth2/token", "/common", "/" + tenant + "/v2.0",
	} {
		w := f.post(path, clientCredentialsForm())
		body := decode(t, w)
		if diff := cmp.Diff([]any{404, "invalid_request", []any{9002313.0}}, []any{w.Code, body["error"], body["error_codes"]}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if f.event.Operation != "" {
			t.Errorf("%s: operation %q", path, f.event.Operation)
		}
	}
}

func TestServes(t *testing.T) {
	f := newFixture(t)
	tests := map[string]bool{
		"/" + tenant + "/oauth2/v2.0/token":                     true,
		"/" + tenant + "/oauth2/token":                          true,
		"/" + tenant + "/OAUTH2/token":                          true,
		"/" + tenant + "/v2.0/.well-known/openid-configuration": true,
		"/" + domain + "/.well-known/openid-configuration":      true,
		"/" + tenant + "/discovery/v2.0/keys":                   true,
		"/common/discovery/instance":                            true,
		"/Common/anything":                                      true,
		"/organizations":                                        true,
		"/consumers/oauth2/v2.0/authorize":                      true,
		"/adfs/oauth2/token":                                    true,
		"/oidc/userinfo":                                        true,
		"/oidc/other":                                           false,
		"/" + tenant + "/login":                                 true,
		"/" + tenant + "/login/x":                               false,
		"/" + tenant + "/adminconsent":                          true,
		"/" + tenant + "/adminconsent/x":                        false,
		"/" + tenant + "/v2.0/adminconsent":                     true,
		"/" + tenant + "/openid/userinfo":                       true,
		"/" + tenant + "/openid":                                false,
		"/v1.0/oauth2/token":                                    false,
		"/v1.0/login":                                           false,
		"/beta/discovery/keys":                                  false,
		"/":                                                     false,
		"":                                                      false,
		"//oauth2/token":                                        false,
		"/" + tenant:                                            false,
		"/" + tenant + "/":                                      false,
		"/" + tenant + "/oauth":                                 false,
		"/subscriptions":                                        false,
		"/subscriptions/oauth2/token":                           false,
		"/Subscriptions/" + tenant + "/resourceGroups/oauth2": false,
		"/providers/oauth2/operations":                        false,
		"/providers/Microsoft.ManagedIdentity/operations":     false,
		"/tenants/v2.0":                   false,
		"/tenants":                        false,
		"/metadata/endpoints":             false,
		"/metadata/identity/oauth2/token": false,
		"/metadata/oauth2/token":          false,
		"/x/identity/oauth2/token":        false,
		"/" + tenant + "/resourceGroups/g/providers/x.y/z/oauth2": false,
	}
	for path, want := range tests {
		if got := f.Serves(path); got != want {
			t.Errorf("Serves(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestTooLongURIGetsEntrasError(t *testing.T) {
	f := newFixture(t)
	w := httptest.NewRecorder()
	var refuser httpx.Refuser = f.Handler
	refuser.Refuse(w, httptest.NewRequest(http.MethodGet, "/common/discovery/keys", nil), &httpx.Event{RequestID: request}, http.StatusRequestURITooLong)
	if body := decode(t, w); w.Code != 414 || body["error"] != "invalid_request" {
		t.Errorf("status %d, %v", w.Code, body)
	}
}

// behind is the store of a replica whose feed is behind, while the database answers.
type behind struct{ store.Store }

func (s behind) Recent(ctx context.Context, fn func(store.Tx) error) error {
	if store.IsFresh(ctx) {
		return s.View(ctx, fn)
	}
	return store.ErrOutdated
}

// A key set is a fresh read anyway. So a feed that is behind, on a busy machine or after another database has taken
// over, refuses no client that wants to check a token.
func TestKeySetNeedsNoFeed(t *testing.T) {
	f := newFixture(t)
	f.Directory.Store = behind{f.Directory.Store}
	for _, path := range []string{"/discovery/v2.0/keys", "/discovery/keys"} {
		for _, name := range []string{"/" + tenant, "/common"} {
			if w := f.get(name + path); w.Code != http.StatusOK {
				t.Errorf("%s%s: %d %s", name, path, w.Code, w.Body)
			}
		}
	}
}
