package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
	"midas/internal/token"
)

func wantClaims(audience string) *token.Claims {
	at := start.Truncate(time.Second)
	return &token.Claims{
		Audience: audience, Issuer: origin + "/" + tenant + "/", Subject: object, ObjectID: object,
		TenantID: tenant, AppID: client, AppIDACR: "1", IdentityProvider: origin + "/" + tenant + "/",
		IdentityType: "app", Version: "1.0", IssuedAt: at.Add(-5 * time.Minute), NotBefore: at.Add(-5 * time.Minute), Expires: at.Add(time.Hour), Issued: at,
	}
}

func TestV2TokenResponseHasNumbers(t *testing.T) {
	f := newFixture(t)
	answer, claims := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	want := map[string]any{
		"token_type": "Bearer", "expires_in": 3599.0, "ext_expires_in": 3599.0, "access_token": answer["access_token"],
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	claims.UniqueID = ""
	if diff := cmp.Diff(wantClaims(armAudience), claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if f.event.Caller != object || f.event.Operation != "token v2.0" || f.event.Err != nil {
		t.Errorf("event: caller %q, operation %q, error %v", f.event.Caller, f.event.Operation, f.event.Err)
	}
}

func TestV1TokenResponseHasStrings(t *testing.T) {
	f := newFixture(t)
	answer, claims := f.granted(t, f.post(tokenV1, clientCredentialsForm("scope", "", "resource", "https://vault.azure.net")))
	at := start.Unix()
	want := map[string]any{
		"token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599", "resource": "https://vault.azure.net",
		"expires_on": fmt.Sprint(at + 3600), "not_before": fmt.Sprint(at - 300), "access_token": answer["access_token"],
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	claims.UniqueID = ""
	if diff := cmp.Diff(wantClaims("https://vault.azure.net"), claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

// TestAudienceIsTheRequestedResource has requested scopes and the expected audiences.
func TestAudienceIsTheRequestedResource(t *testing.T) {
	f := newFixture(t)
	tests := []struct{ scope, want string }{
		{"https://management.azure.com/.default", "https://management.azure.com"},
		{"https://management.azure.com//.default", "https://management.azure.com/"},
		{"https://management.core.windows.net//.default openid offline_access profile", armAudience},
		{"openid profile email offline_access https://graph.microsoft.com/.default", "https://graph.microsoft.com"},
		{"6dae42f8-4368-4678-94ff-3960e28e3630/.default", "6dae42f8-4368-4678-94ff-3960e28e3630"},
		{"api://AzureADTokenExchange/.default", "fb60f99c-7a34-4190-8149-302f77469936"},
		{"api://6dae42f8-4368-4678-94ff-3960e28e3630/.default", "api://6dae42f8-4368-4678-94ff-3960e28e3630"},
		{"https://x.test/a/.default https://x.test/a/.default", "https://x.test/a"},
		{"https://x.test/.default/.default", "https://x.test/.default"},
		{"urn:ours:thing/.default", "urn:ours:thing"},
		{"https://localhost:8443/.default", "https://localhost:8443"},
	}
	for _, test := range tests {
		t.Run(test.scope, func(t *testing.T) {
			_, claims := f.granted(t, f.post(tokenV2, clientCredentialsForm("scope", test.scope)))
			if claims.Audience != test.want {
				t.Errorf("audience %q, want %q", claims.Audience, test.want)
			}
		})
	}
}

// TestTokenRequestVariants has valid requests of different forms.
func TestTokenRequestVariants(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, path, form string
		headers          []string
	}{
		{"by the tenant's domain", "/" + domain + "/oauth2/v2.0/token", clientCredentialsForm(), nil},
		{"by the tenant's id in capitals", "/" + strings.ToUpper(tenant) + "/oauth2/v2.0/token", clientCredentialsForm(), nil},
		{"with the path in capitals", "/" + tenant + "/OAuth2/V2.0/Token", clientCredentialsForm(), nil},
		{"with the client id in capitals", tokenV2, clientCredentialsForm("client_id", strings.ToUpper(client)), nil},
		{"with HTTP Basic", tokenV2, clientCredentialsForm("client_id", "", "client_secret", ""), []string{"Authorization", basic(client, secret)}},
		{"with HTTP Basic and the id in the form too", tokenV2, clientCredentialsForm("client_secret", ""), []string{"Authorization", basic(client, secret)}},
		{"with basic in small letters", tokenV2, clientCredentialsForm("client_id", "", "client_secret", ""), []string{"Authorization", "b" + basic(client, secret)[1:]}},
		{"with HTTP Basic on v1", tokenV1, clientCredentialsForm("client_id", "", "client_secret", "", "resource", armAudience), []string{"Authorization", basic(client, secret)}},
		{"with someone else's bearer token", tokenV2, clientCredentialsForm(), []string{"Authorization", "Bearer x"}},
		{"with fields that say who the client is", tokenV2, clientCredentialsForm("x-client-SKU", "MSAL.Go", "client_info", "1", "claims", `{"access_token":{}}`), nil},
		{"with a query", tokenV2 + "?client-request-id=" + caller + "&grant_type=x", clientCredentialsForm(), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, claims := f.granted(t, f.post(test.path, test.form, test.headers...))
			if claims.ObjectID != object || claims.TenantID != tenant || claims.AppID != client {
				t.Errorf("claims %+v", claims)
			}
		})
	}
	r := httptest.NewRequest(http.MethodPost, tokenV2, strings.NewReader(clientCredentialsForm()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	f.granted(t, f.do(r))
}

func TestCachedTokenReportsItsRemainingLifetime(t *testing.T) {
	f := newFixture(t)
	first, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	f.advance(10 * time.Minute)
	second, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	if first["access_token"] != second["access_token"] {
		t.Error("a new token was signed after ten minutes")
	}
	if second["expires_in"] != 2999.0 {
		t.Errorf("expires_in %v, want 2999", second["expires_in"])
	}
	f.advance(20 * time.Minute)
	third, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	if third["access_token"] == first["access_token"] || third["expires_in"] != 3599.0 {
		t.Errorf("after half an hour: the same token or expires_in %v", third["expires_in"])
	}
}

func TestTokenLifetimeIsConfigurable(t *testing.T) {
	f := newFixture(t)
	f.TokenLifetime = 24 * time.Hour
	answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	if answer["expires_in"] != 86399.0 {
		t.Errorf("expires_in %v, want 86399", answer["expires_in"])
	}
}

func TestTokenAfterARevocationIsNew(t *testing.T) {
	f := newFixture(t)
	first, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	if _, err := f.store.Update(t.Context(), func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, object) }); err != nil {
		t.Fatal(err)
	}
	second, claims := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	if first["access_token"] == second["access_token"] {
		t.Error("the revoked token is returned again")
	}
	if valid := start.Truncate(time.Second).Add(time.Second); claims.Issued.Before(valid) {
		t.Errorf("the new token was issued at %s, before the first valid second %s", claims.Issued, valid)
	}
}

// TestInvalidTokenRequestsAreRefused has every error of the token endpoints.
func TestInvalidTokenRequestsAreRefused(t *testing.T) {
	f := newFixture(t)
	f.Limits.Secrets.Burst = 100
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name    string
		path    string // "" means the v2.0 endpoint
		form    string
		headers []string
		status  int
		code    string
		number  int
		says    string
	}{
		// form and encoding
		{name: "no form", form: "", status: 400, code: "invalid_request", number: 900144, says: "'grant_type'"},
		{name: "JSON", form: `{"grant_type":"client_credentials"}`, headers: []string{"Content-Type", "application/json"}, status: 400, code: "invalid_request", number: 900144, says: "'grant_type'"},
		{name: "bad escape", form: clientCredentialsForm() + "&x=%zz", status: 400, code: "invalid_request", number: 9002313, says: "malformed"},
		{name: "semicolons", form: strings.ReplaceAll(clientCredentialsForm(), "&", ";"), status: 400, code: "invalid_request", number: 9002313},
		{name: "too long a form", form: clientCredentialsForm("x", strings.Repeat("x", 64<<10)), status: 413, code: "invalid_request", number: 9002313},
		{name: "client_id twice", form: clientCredentialsForm() + "&client_id=" + client, status: 400, code: "invalid_request", number: 9002313},
		{name: "client_secret twice, once empty", form: clientCredentialsForm() + "&client_secret=", status: 400, code: "invalid_request", number: 9002313},
		{name: "scope twice", form: clientCredentialsForm() + "&scope=x", status: 400, code: "invalid_request", number: 9002313},
		{name: "grant_type twice", form: clientCredentialsForm() + "&grant_type=password", status: 400, code: "invalid_request", number: 9002313},
		{name: "secret in the query", path: tokenV2 + "?" + clientCredentialsForm(), form: "", status: 400, code: "invalid_request", number: 900144},
		// tenant
		{name: "unknown tenant", path: "/" + other + "/oauth2/v2.0/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 90002, says: "Tenant '" + other + "' not found."},
		{name: "unknown domain", path: "/fabrikam.example/oauth2/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 90002, says: "Tenant 'fabrikam.example' not found."},
		{name: "long tenant", path: "/" + long + "/oauth2/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 90002, says: "xxx..."},
		{name: "tenant with an escaped slash", path: "/a%2F" + tenant + "/oauth2/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 90002},
		{name: "tenant that is not UTF-8", path: "/%ff%00/oauth2/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 90002},
		{name: "common", path: "/common/oauth2/v2.0/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 9001023},
		{name: "organizations", path: "/Organizations/oauth2/v2.0/token", form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 9001023},
		// grant
		{name: "no grant_type", form: clientCredentialsForm("grant_type", ""), status: 400, code: "invalid_request", number: 900144, says: "'grant_type'"},
		{name: "another grant", form: clientCredentialsForm("grant_type", "magic"), status: 400, code: "unsupported_grant_type", number: 70003, says: "'magic'"},
		{name: "grant in capitals", form: clientCredentialsForm("grant_type", "Client_Credentials"), status: 400, code: "unsupported_grant_type", number: 70003},
		{name: "long grant", form: clientCredentialsForm("grant_type", long), status: 400, code: "unsupported_grant_type", number: 70003, says: "xxx...'"},
		// client
		{name: "no client_id", form: clientCredentialsForm("client_id", ""), status: 400, code: "invalid_request", number: 900144, says: "'client_id'"},
		{name: "no secret", form: clientCredentialsForm("client_secret", ""), status: 401, code: "invalid_client", number: 7000218, says: "'client_assertion' or 'client_secret'"},
		{name: "an assertion of another type", form: clientCredentialsForm("client_secret", "", "client_assertion", "a.b.c", "client_assertion_type", "x"), status: 400, code: "invalid_request", number: 90023, says: "client_assertion_type"},
		{name: "an invalid assertion", form: clientCredentialsForm("client_secret", "", "client_assertion", "a.b.c", "client_assertion_type", jwtBearer), status: 401, code: "invalid_client", number: 50027},
		{name: "unknown application", form: clientCredentialsForm("client_id", other), status: 400, code: "unauthorized_client", number: 700016, says: "identifier '" + other + "' was not found in the directory 'Contoso'"},
		{name: "long client_id", form: clientCredentialsForm("client_id", long), status: 400, code: "unauthorized_client", number: 700016, says: "xxx...'"},
		{name: "client_id with control characters", form: clientCredentialsForm("client_id", "a\x00\r\nb\xff"), status: 400, code: "unauthorized_client", number: 700016},
		{name: "wrong secret", form: clientCredentialsForm("client_secret", "hunter2"), status: 401, code: "invalid_client", number: 7000215, says: "added to app '" + client + "'."},
		{name: "expired secret", form: clientCredentialsForm("client_id", expiredApp), status: 401, code: "invalid_client", number: 7000222, says: expiredApp},
		{name: "expired secret, wrong", form: clientCredentialsForm("client_id", expiredApp, "client_secret", "hunter2"), status: 401, code: "invalid_client", number: 7000215},
		{name: "disabled", form: clientCredentialsForm("client_id", disabledApp), status: 401, code: "unauthorized_client", number: 7000112, says: "'" + disabledApp + "'(switched off)"},
		// HTTP Basic
		{name: "Basic, wrong secret", form: clientCredentialsForm("client_id", "", "client_secret", ""), headers: []string{"Authorization", basic(client, "hunter2")}, status: 401, code: "invalid_client", number: 7000215},
		{name: "Basic and a secret in the form", form: clientCredentialsForm(), headers: []string{"Authorization", basic(client, secret)}, status: 400, code: "invalid_request", number: 9002313},
		{name: "Basic and another client_id", form: clientCredentialsForm("client_id", other, "client_secret", ""), headers: []string{"Authorization", basic(client, secret)}, status: 400, code: "invalid_request", number: 9002313},
		{name: "Basic that is not base64", form: clientCredentialsForm("client_secret", ""), headers: []string{"Authorization", "Basic !!!"}, status: 400, code: "invalid_request", number: 9002313},
		{name: "Basic without a colon", form: clientCredentialsForm("client_secret", ""), headers: []string{"Authorization", "Basic eA=="}, status: 400, code: "invalid_request", number: 9002313},
		{name: "Basic twice", form: clientCredentialsForm("client_id", "", "client_secret", ""), headers: []string{"Authorization", basic(client, secret), "Authorization", basic(client, secret)}, status: 400, code: "invalid_request", number: 9002313},
		{name: "Basic without a secret", form: clientCredentialsForm("client_id", "", "client_secret", ""), headers: []string{"Authorization", basic(client, "")}, status: 401, code: "invalid_client", number: 7000218},
		// scope and resource
		{name: "no scope", form: clientCredentialsForm("scope", ""), status: 400, code: "invalid_request", number: 900144, says: "'scope'"},
		{name: "a resource where a scope belongs", form: clientCredentialsForm("scope", "", "resource", armAudience), status: 400, code: "invalid_request", number: 900144, says: "'scope'"},
		{name: "only OpenID's scopes", form: clientCredentialsForm("scope", "openid profile"), status: 400, code: "invalid_scope", number: 70011, says: "The scope openid profile is not valid."},
		{name: "a blank scope", form: clientCredentialsForm("scope", "  "), status: 400, code: "invalid_scope", number: 70011},
		{name: "a delegated scope", form: clientCredentialsForm("scope", "https://graph.microsoft.com/User.Read"), status: 400, code: "invalid_scope", number: 1002012, says: "scope https://graph.microsoft.com/User.Read is not valid"},
		{name: "no resource in the scope", form: clientCredentialsForm("scope", "/.default"), status: 400, code: "invalid_scope", number: 70011},
		{name: "two resources", form: clientCredentialsForm("scope", "https://a.test/.default https://b.test/.default"), status: 400, code: "invalid_scope", number: 70011},
		{name: "two spellings of a resource", form: clientCredentialsForm("scope", "https://a.test/.default https://a.test//.default"), status: 400, code: "invalid_scope", number: 70011},
		{name: "a resource that is a word", form: clientCredentialsForm("scope", "arm/.default"), status: 400, code: "invalid_resource", number: 500011, says: "named arm was not found in the tenant named Contoso"},
		{name: "a resource that is a path", form: clientCredentialsForm("scope", "/subscriptions/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a resource of a scheme only", form: clientCredentialsForm("scope", "https:/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a resource with a user", form: clientCredentialsForm("scope", "https://a:b@c.test/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a resource with a fragment", form: clientCredentialsForm("scope", "https://c.test/#x/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a resource with quotes", form: clientCredentialsForm("scope", `https://c.test/"x"/.default`), status: 400, code: "invalid_resource", number: 500011},
		{name: "a resource with other letters", form: clientCredentialsForm("scope", "https://пример.test/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a long resource", form: clientCredentialsForm("scope", "https://a.test/"+long+"/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "a malformed GUID", form: clientCredentialsForm("scope", "6dae42f8-4368-4678-94ff-3960e28e363g/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "v1, no resource", path: tokenV1, form: clientCredentialsForm(), status: 400, code: "invalid_request", number: 900144, says: "'resource'"},
		{name: "v1, a resource with a space", path: tokenV1, form: clientCredentialsForm("resource", "https://a.test/ b"), status: 400, code: "invalid_resource", number: 500011},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = tokenV2
			}
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(test.form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i < len(test.headers); i += 2 {
				if test.headers[i] == "Content-Type" {
					r.Header.Del("Content-Type")
				}
				r.Header.Add(test.headers[i], test.headers[i+1])
			}
			w := f.do(r)
			body := decode(t, w)
			got := []any{w.Code, body["error"], body["error_codes"]}
			want := []any{test.status, test.code, []any{float64(test.number)}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status, error and code (-want +got):\n%s", diff)
			}
			description, _ := body["error_description"].(string)
			if !strings.HasPrefix(description, fmt.Sprintf("AADSTS%d: ", test.number)) || !strings.Contains(description, test.says) {
				t.Errorf("description %q does not say %q", description, test.says)
			}
			if len(description) > 900 {
				t.Errorf("the description has %d bytes", len(description))
			}
			if challenge := w.Header().Get("Www-Authenticate"); (challenge != "") != (test.status == 401 && test.headers != nil) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
			if want := fmt.Sprint("AADSTS", test.number); f.event.ErrorCode != want || f.event.Err == nil {
				t.Errorf("event: code %q, error %v; want %q", f.event.ErrorCode, f.event.Err, want)
			}
			for _, leak := range []string{secret, url.QueryEscape(secret), "hunter2"} {
				if strings.Contains(w.Body.String(), leak) || strings.Contains(f.event.Err.Error(), leak) {
					t.Errorf("a secret is repeated in %s or in %v", w.Body.String(), f.event.Err)
				}
			}
		})
	}
}

func TestWrongMethodsAreRefused(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", tokenV2, 400, "The endpoint only accepts POST requests. Received a GET request."},
		{"PUT", tokenV1, 400, "The endpoint only accepts POST requests. Received a PUT request."},
		{"OPTIONS", tokenV2, 400, "The endpoint only accepts POST requests."},
		{"POST", "/" + tenant + "/v2.0/.well-known/openid-configuration", 400, "only accepts GET, OPTIONS requests. Received a POST request."},
		{"DELETE", "/" + tenant + "/discovery/keys", 400, "Received a DELETE request."},
		{strings.Repeat("X", 3000), "/" + tenant + "/discovery/keys", 400, "XXX... request."},
		{"HEAD", "/" + tenant + "/discovery/keys", 200, ""},
		{"OPTIONS", "/" + tenant + "/discovery/keys", 200, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%.7s %s", test.method, test.path), func(t *testing.T) {
			w := f.do(httptest.NewRequest(test.method, test.path, nil))
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			if test.says == "" {
				return
			}
			body := decode(t, w)
			if diff := cmp.Diff([]any{900561.0}, body["error_codes"]); diff != "" {
				t.Errorf("error_codes (-want +got):\n%s", diff)
			}
			if got := fmt.Sprint(body["error_description"]); !strings.Contains(got, test.says) {
				t.Errorf("description %q does not say %q", got, test.says)
			}
		})
	}
}
