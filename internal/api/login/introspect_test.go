package login_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
)

const introspectPath = "/" + tenant + "/oauth2/v2.0/introspect"

// introspect asks about a token as a client with a secret.
func (f *fixture) introspect(t testing.TB, app, text string) map[string]any {
	t.Helper()
	w := f.post(introspectPath, url.Values{"token": {text}, "client_id": {app}, "client_secret": {secret}}.Encode())
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store, no-cache" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	return decode(t, w)
}

func inactive() map[string]any { return map[string]any{"active": false} }

func TestIntrospectionOfTheAudiencesTokens(t *testing.T) {
	f := newFixtureWithUsers(t)
	of := f.tokensOf(t)
	user := f.post(tokenV2, passwordForm("client_id", webApp, "client_secret", secret, "scope", "api://api/Things.Read openid offline_access"))
	answer, _ := f.granted(t, user)
	text := answer["access_token"].(string)
	c := payload(t, text)
	want := map[string]any{
		"active": true, "token_type": "Bearer", "iss": c["iss"], "sub": c["sub"], "aud": c["aud"], "exp": c["exp"], "iat": c["iat"], "nbf": c["nbf"],
		"client_id": webApp, "scope": c["scp"], "username": alice, "jti": c["uti"], "oid": aliceID, "tid": tenant,
	}
	if diff := cmp.Diff(want, f.introspect(t, apiApp, text)); diff != "" {
		t.Errorf("a user's token (-want +got):\n%s", diff)
	}
	own, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
	if got := f.introspect(t, apiApp, own["access_token"].(string)); got["active"] != true || got["username"] != nil || got["oid"] != of["application"]["oid"] {
		t.Errorf("an application's token: %v", got)
	}
	for name, test := range map[string]struct{ app, text string }{
		"another client, which got the token": {webApp, text}, "an unrelated client": {client, text},
		"a refresh token": {apiApp, answer["refresh_token"].(string)}, "an id_token": {webApp, answer["id_token"].(string)},
		"garbage": {apiApp, "x"}, "a changed token": {apiApp, text[:len(text)-4] + "AAAA"}, "too long": {apiApp, strings.Repeat("x", 20<<10)},
	} {
		if diff := cmp.Diff(inactive(), f.introspect(t, test.app, test.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, aliceID) })
	if diff := cmp.Diff(inactive(), f.introspect(t, apiApp, text)); diff != "" {
		t.Errorf("a revoked token (-want +got):\n%s", diff)
	}
	f.advance(2 * time.Hour)
	if diff := cmp.Diff(inactive(), f.introspect(t, apiApp, own["access_token"].(string))); diff != "" {
		t.Errorf("an expired token (-want +got):\n%s", diff)
	}
}

// TestIntrospectionOfAllTokensNeedsTheDirectory checks the right of resource servers with several audiences.
func TestIntrospectionOfAllTokensNeedsTheDirectory(t *testing.T) {
	f := newFixtureWithUsers(t)
	answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	text := answer["access_token"].(string) // for ARM, which is no client
	if diff := cmp.Diff(inactive(), f.introspect(t, client, text)); diff != "" {
		t.Errorf("without the right (-want +got):\n%s", diff)
	}
	grant := func(value string) {
		f.update(t, func(tx store.Tx) error {
			graph, err := f.Directory.ServicePrincipalByAppID(tx, tenant, directory.GraphAppID)
			if err != nil {
				return err
			}
			roles, err := f.Directory.RolesOf(tx, graph)
			for _, r := range roles {
				if r.Value == value {
					_, err = f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: object, ResourceID: graph.ID, AppRoleID: r.ID})
				}
			}
			return err
		})
	}
	grant(directory.RoleUserReadAll)
	if diff := cmp.Diff(inactive(), f.introspect(t, client, text)); diff != "" {
		t.Errorf("with another role (-want +got):\n%s", diff)
	}
	grant(directory.RoleDirectoryReadAll)
	if got := f.introspect(t, client, text); got["active"] != true || got["aud"] != armAudience {
		t.Errorf("with the right: %v", got)
	}
	f.update(t, func(tx store.Tx) error {
		return f.Directory.PutTenant(tx, directory.Tenant{ID: other, DisplayName: "Other", DefaultDomain: "other.example"})
	})
	if w := f.post("/"+other+"/oauth2/v2.0/introspect", url.Values{"token": {text}, "client_id": {client}, "client_secret": {secret}}.Encode()); w.Code != 400 && w.Code != 401 {
		t.Errorf("at another tenant: %d %s", w.Code, w.Body)
	}
}

func TestIntrospectionAuthenticatesClients(t *testing.T) {
	f := newFixtureWithUsers(t)
	keys := f.addCertificate(t)
	answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
	text := answer["access_token"].(string)
	assertion := f.assertion(keys[0])
	assertion.claims["aud"] = origin + introspectPath
	for name, test := range map[string]struct {
		form   url.Values
		header []string
		status int
	}{
		"a secret":          {url.Values{"token": {text}, "client_id": {client}, "client_secret": {secret}}, nil, 200},
		"basic":             {url.Values{"token": {text}}, []string{"Authorization", basic(client, secret)}, 200},
		"an assertion":      {url.Values{"token": {text}, "client_id": {certApp}, "client_assertion_type": {jwtBearer}, "client_assertion": {assertion.sign(t)}}, nil, 200},
		"a hint":            {url.Values{"token": {text}, "client_id": {client}, "client_secret": {secret}, "token_type_hint": {"refresh_token"}}, nil, 200},
		"no credential":     {url.Values{"token": {text}, "client_id": {client}}, nil, 401},
		"a bearer token":    {url.Values{"token": {text}}, []string{"Authorization", "Bearer " + text}, 401},
		"a wrong secret":    {url.Values{"token": {text}}, []string{"Authorization", basic(client, "wrong")}, 401},
		"a public client":   {url.Values{"token": {text}, "client_id": {"04b07795-8ddb-461a-bbee-02f9e1bf7b46"}}, nil, 401},
		"a disabled client": {url.Values{"token": {text}, "client_id": {disabledApp}, "client_secret": {secret}}, nil, 401},
		"no client":         {url.Values{"token": {text}}, nil, 401},
		"an unknown client": {url.Values{"token": {text}, "client_id": {tenant}, "client_secret": {secret}}, nil, 401},
		"unknown, basic":    {url.Values{"token": {text}}, []string{"Authorization", basic(tenant, secret)}, 401},
		"no token":          {url.Values{"client_id": {client}, "client_secret": {secret}}, nil, 400},
		"two tokens":        {url.Values{"token": {text, text}, "client_id": {client}, "client_secret": {secret}}, nil, 400},
	} {
		w := f.post(introspectPath, test.form.Encode(), test.header...)
		if w.Code != test.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if test.status == 401 && (w.Header().Get("Www-Authenticate") == "" || name != "a disabled client" && decode(t, w)["error"] != "invalid_client") {
			t.Errorf("%s: %v %s", name, w.Header(), w.Body)
		}
	}
	if w := f.do(httptest.NewRequest("GET", introspectPath+"?token="+text, nil)); w.Code < 400 {
		t.Errorf("GET: %d", w.Code)
	}
	if w := f.post("/common/oauth2/v2.0/introspect", url.Values{"token": {text}, "client_id": {client}, "client_secret": {secret}}.Encode()); w.Code != 400 {
		t.Errorf("common: %d %s", w.Code, w.Body)
	}
	f.Limits.Secrets.Burst = 2
	last := 0
	for range 4 {
		last = f.post(introspectPath, url.Values{"token": {text}, "client_id": {expiredApp}, "client_secret": {"wrong"}}.Encode()).Code
	}
	if last != 429 {
		t.Errorf("wrong secrets are not throttled: %d", last)
	}
}

// TestIntrospectionWithFederatedCredentials checks that a service with the token of another issuer can introspect.
func TestIntrospectionWithFederatedCredentials(t *testing.T) {
	e := newExchange(t)
	answer, _ := e.granted(t, e.post(tokenV2, clientCredentialsForm("scope", certApp+"/.default")))
	form := url.Values{"token": {answer["access_token"].(string)}, "client_id": {certApp}, "client_assertion_type": {jwtBearer}}
	for name, test := range map[string]struct {
		assertion *clientAssertion
		status    int
	}{
		"its own issuer":  {e.foreign(), 200},
		"another subject": {e.foreign(func(a *clientAssertion) { a.claims["sub"] = "system:serviceaccount:apps:other" }), 401},
		"an expired one":  {e.foreign(func(a *clientAssertion) { a.claims["exp"] = start.Add(-time.Hour).Unix() }), 401},
	} {
		form.Set("client_assertion", test.assertion.sign(t))
		w := e.post(introspectPath, form.Encode())
		if w.Code != test.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if test.status == 200 && decode(t, w)["active"] != true {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}
