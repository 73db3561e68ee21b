package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// getFrom reads a document under a host name.
func (f *fixture) getFrom(host, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	return f.do(r)
}

// TestDiscoveryUnderAzureHostNames reads the documents under Azure's host names.
func TestDiscoveryUnderAzureHostNames(t *testing.T) {
	f := newFixture(t)
	tests := []struct{ host, path, issuer, base string }{
		{"login.microsoftonline.com", "/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0"},
		{"Login.MicrosoftOnline.com:443", "/organizations/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/organizations/oauth2/v2.0"},
		{"login.windows.net", "/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.windows.net/" + tenant + "/oauth2/v2.0"},
		{"login.windows.net", "/" + tenant, "https://sts.windows.net/" + tenant + "/", "https://login.windows.net/" + tenant + "/oauth2"},
		{"sts.windows.net", "/common", "https://sts.windows.net/{tenantid}/", "https://sts.windows.net/common/oauth2"},
		{"login.microsoft.com", "/adfs", "https://sts.windows.net/" + tenant + "/", "https://login.microsoft.com/adfs/oauth2"},
		{"login.test:8443", "/adfs", origin + "/" + tenant + "/", origin + "/adfs/oauth2"},
		{"login.evil.test", "/" + tenant + "/v2.0", origin + "/" + tenant + "/v2.0", origin + "/" + tenant + "/oauth2/v2.0"},
	}
	for _, test := range tests {
		doc := decode(t, f.getFrom(test.host, test.path+"/.well-known/openid-configuration"))
		want := []any{test.issuer, test.base + "/token", test.base + "/authorize", test.base + "/devicecode", test.base + "/logout"}
		got := []any{doc["issuer"], doc["token_endpoint"], doc["authorization_endpoint"], doc["device_authorization_endpoint"], doc["end_session_endpoint"]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s%s (-want +got):\n%s", test.host, test.path, diff)
		}
		if user := doc["userinfo_endpoint"]; (user == "https://graph.microsoft.com/oidc/userinfo") == strings.HasPrefix(test.base, origin) {
			t.Errorf("%s: userinfo at %s", test.host, user)
		}
	}
	keys := decode(t, f.getFrom("login.microsoftonline.com", "/common/discovery/v2.0/keys"))["keys"].([]any)
	if issuer := keys[0].(map[string]any)["issuer"]; issuer != "https://login.microsoftonline.com/{tenantid}/v2.0" {
		t.Errorf("the key's issuer is %s", issuer)
	}
}

// TestSignInUnderAzureHostNames uses the flows under Azure's host name. The id_token has Azure's issuer, which the
// client expects. The access token has the server's own issuer, which its verifier expects.
func TestSignInUnderAzureHostNames(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	b.host = "login.microsoftonline.com"
	to, values := reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	if to != localRedirect {
		t.Errorf("sent to %s", to)
	}
	post := func(path, form string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Host = b.host
		return f.do(r)
	}
	answer, claims := f.granted(t, post(tokenV2, codeForm(values.Get("code"))))
	if claims.Issuer != origin+"/"+tenant+"/" {
		t.Errorf("access token by %s", claims.Issuer)
	}
	if iss := payload(t, answer["id_token"])["iss"]; iss != "https://login.microsoftonline.com/"+tenant+"/v2.0" {
		t.Errorf("id_token by %s", iss)
	}
	// The verification URI has the server's name, because in the user's browser Azure's names resolve to Azure.
	body := decode(t, post(deviceV2, deviceForm()))
	if body["verification_uri"] != origin+devicePage {
		t.Errorf("%v", body["verification_uri"])
	}
}

func TestUserRealm(t *testing.T) {
	f := newFixtureWithUsers(t)
	tests := []struct{ user, account, domain string }{
		{alice, "Managed", domain}, {"nobody@" + domain, "Managed", domain}, {strings.ToUpper(alice), "Managed", strings.ToUpper(domain)},
		{bob, "Managed", theirDomain}, {"x@unknown.test", "Unknown", ""}, {"alice", "Unknown", ""}, {"@", "Unknown", ""},
		{"x@" + strings.Repeat("y", 5000), "Unknown", ""},
	}
	for _, test := range tests {
		w := f.getFrom("login.microsoftonline.com", "/common/UserRealm/"+url.PathEscape(test.user)+"?api-version=1.0")
		want := map[string]any{
			"ver": "1.0", "account_type": test.account, "cloud_instance_name": "microsoftonline.com", "cloud_audience_urn": "urn:federation:MicrosoftOnline",
		}
		if test.domain != "" {
			want["domain_name"] = test.domain
		}
		if diff := cmp.Diff(want, decode(t, w)); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", test.user, diff)
		}
	}
	if body := decode(t, f.get("/common/userrealm/"+alice+"?api-version=1.0")); body["cloud_instance_name"] != "login.test" {
		t.Errorf("under our own name: %v", body)
	}
	f.refused(t, f.get("/common/userrealm/"+alice), 400, 90014)
}

func TestUserInfo(t *testing.T) {
	f := newFixtureWithUsers(t)
	tokenFor := func(scope string) (access string, subject any) {
		answer, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2, "scope", scope)))))
		return answer["access_token"].(string), payload(t, answer["id_token"])["sub"]
	}
	access, subject := tokenFor("openid profile email User.Read")
	ask := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		for _, h := range headers {
			r.Header.Add("Authorization", h)
		}
		return f.do(r)
	}
	want := map[string]any{"sub": subject, "name": "Alice <b>", "family_name": "Liddell", "given_name": "Alice", "email": "a@mail.test"}
	for _, path := range []string{"/oidc/userinfo", "/" + tenant + "/openid/userinfo", "/common/openid/userinfo"} {
		for _, method := range []string{"GET", "POST"} {
			w := ask(method, path, "bearer "+access)
			if diff := cmp.Diff(want, decode(t, w)); diff != "" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s %s (-want +got):\n%s", method, path, diff)
			}
		}
	}
	elsewhere, _ := tokenFor("openid https://vault.azure.net/.default")
	app, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("scope", "https://graph.microsoft.com/.default")))
	for name, headers := range map[string][]string{
		"nothing": nil, "no bearer": {basic(cli, "x")}, "no token": {"Bearer x"}, "two": {"Bearer " + access, "Bearer " + access},
		"another resource": {"Bearer " + elsewhere}, "an application's": {"Bearer " + app["access_token"].(string)},
	} {
		w := ask("GET", "/oidc/userinfo", headers...)
		if body := decode(t, w); w.Code != 401 || body["error"] != "invalid_token" || w.Header().Get("Www-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("%s: status %d, %v", name, w.Code, body)
		}
	}
}

// TestCORSPreflightRequests sends the preflight requests of browsers.
func TestCORSPreflightRequests(t *testing.T) {
	f := newFixtureWithUsers(t)
	for path, may := range map[string]bool{
		tokenV2: true, tokenV1: true, "/adfs/oauth2/token": true, "/oidc/userinfo": true,
		deviceV2: false, authorizeV2: false, "/" + tenant + "/login": false,
	} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "https://page.test")
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := f.do(r)
		if got := w.Header().Get("Access-Control-Allow-Origin") == "*"; got != may || got != (w.Code == http.StatusOK) {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: with cookies", path)
		}
	}
}

// TestPreflightNamesMethodsAndAuthorization checks what a browser needs to send the request of a page: * does
// not stand for Authorization.
func TestPreflightNamesMethodsAndAuthorization(t *testing.T) {
	f := newFixtureWithUsers(t)
	for path, methods := range map[string][]string{
		tokenV2: {"POST"}, "/oidc/userinfo": {"GET", "POST"}, "/" + tenant + "/openid/userinfo": {"GET", "POST"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
			r := httptest.NewRequest(http.MethodOptions, path, nil)
			r.Header.Set("Origin", "https://page.test")
			r.Header.Set("Access-Control-Request-Method", method)
			r.Header.Set("Access-Control-Request-Headers", "authorization")
			w := f.do(r)
			may := slices.Contains(methods, method)
			allowed := slices.Contains(strings.Split(w.Header().Get("Access-Control-Allow-Methods"), ", "), method)
			named := slices.Contains(strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ", "), "Authorization")
			if may && (w.Code != http.StatusOK || !allowed || !named) || !may && (allowed || w.Code == http.StatusOK) {
				t.Errorf("%s %s: status %d, %v", method, path, w.Code, w.Header())
			}
		}
	}
}

// TestPagesReadPublicAnswersWithHeadersOfTheirLibrary sends the preflight request for a condition.
func TestPagesReadPublicAnswersWithHeadersOfTheirLibrary(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, path := range []string{
		"/" + tenant + "/v2.0/.well-known/openid-configuration", "/" + tenant + "/.well-known/openid-configuration",
		"/" + tenant + "/discovery/v2.0/keys", "/" + tenant + "/discovery/keys", "/common/discovery/instance", "/" + tenant + "/discovery/v2.0/revocations",
	} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "null")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "if-none-match,x-client-sku")
		head := f.do(r).Header()
		if head.Get("Access-Control-Allow-Origin") != "*" || head.Get("Access-Control-Allow-Headers") != "*" || head.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, head)
		}
	}
	w := f.post(tokenV2, "grant_type=nothing", "Origin", "https://page.test")
	for _, name := range []string{"Retry-After", "x-ms-request-id", "Client-Request-Id"} {
		if !slices.Contains(strings.Split(w.Header().Get("Access-Control-Expose-Headers"), ", "), name) {
			t.Errorf("pages do not see %s: %v", name, w.Header())
		}
	}
}

// TestPagesReadErrorsOfDiscovery asks for a tenant that does not exist, as a page with a wrong setting does.
func TestPagesReadErrorsOfDiscovery(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, path := range []string{
		"/nobody.test/v2.0/.well-known/openid-configuration", "/nobody.test/discovery/v2.0/keys", "/common/discovery/instance",
	} {
		w := f.get(path)
		if w.Code != http.StatusBadRequest || w.Header().Get("Access-Control-Allow-Origin") != "*" || strings.Contains(w.Header().Get("Cache-Control"), "max-age") {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
	}
	// Pages do not read which domains and users are known.
	if w := f.get("/common/userrealm/" + alice + "?api-version=1.0"); w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("user realm: status %d, %v", w.Code, w.Header())
	}
}

func TestResponseScopesKeepTheRequestedForm(t *testing.T) {
	f := newFixtureWithUsers(t)
	refresh := f.signedIn(t)["refresh_token"].(string)
	tests := []struct{ scope, echo, scp, audience string }{
		{armAudience + "/.default", armAudience + "/.default " + armAudience + "/user_impersonation", "user_impersonation", armAudience},
		{"https://management.azure.com/user_impersonation openid", "https://management.azure.com/user_impersonation openid", "user_impersonation", "https://management.azure.com"},
		{"User.Read Mail.Send openid", "User.Read Mail.Send openid", "User.Read Mail.Send openid", "https://graph.microsoft.com"},
		{"https://graph.microsoft.com/User.Read profile offline_access", "https://graph.microsoft.com/User.Read profile", "User.Read profile", "https://graph.microsoft.com"},
		{"openid profile", "openid profile", "openid profile", "https://graph.microsoft.com"},
		{"api://api/a api://api/b api://api/a", "api://api/a api://api/b", "a b", "api://api"},
		{apiApp + "/x", apiApp + "/x", "x", apiApp},
	}
	for _, test := range tests {
		answer, claims := f.granted(t, f.post(tokenV2, refreshForm(refresh, "scope", test.scope)))
		refresh = answer["refresh_token"].(string)
		got := []string{fmt.Sprint(answer["scope"]), claims.Scopes, claims.Audience}
		if diff := cmp.Diff([]string{test.echo, test.scp, test.audience}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.scope, diff)
		}
	}
}
