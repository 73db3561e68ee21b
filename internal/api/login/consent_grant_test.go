package login_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// standing is what was consented to before a client asks.
var standings = []struct {
	name    string
	granted bool
	prepare func(testing.TB, *fixture, string)
}{
	{"no grant", false, func(testing.TB, *fixture, string) {}},
	{"the user's grant", true, func(t testing.TB, f *fixture, app string) {
		f.consent(t, app, directory.ARMAppID, carolID, "user_impersonation")
	}},
	{"an administrator's grant", true, func(t testing.TB, f *fixture, app string) {
		f.consent(t, app, directory.ARMAppID, "", "user_impersonation")
	}},
	{"a grant for another resource", false, func(t testing.TB, f *fixture, app string) {
		f.consent(t, app, directory.GraphAppID, "", basics+" User.Read Directory.ReadWrite.All")
	}},
	{"a grant of another user", false, func(t testing.TB, f *fixture, app string) {
		f.consent(t, app, directory.ARMAppID, aliceID, "user_impersonation")
	}},
	{"a grant of another application", false, func(t testing.TB, f *fixture, app string) {
		f.consent(t, certApp, directory.ARMAppID, "", "user_impersonation")
	}},
	{"a grant that was removed", false, func(t testing.TB, f *fixture, app string) {
		for _, user := range []string{"", carolID} {
			id := f.consent(t, app, directory.ARMAppID, user, "user_impersonation")
			f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, id) })
		}
	}},
	{"a grant for something else there", false, func(t testing.TB, f *fixture, app string) {
		f.consent(t, app, directory.ARMAppID, carolID, "other")
	}},
}

// TestEveryGrantNeedsConsent has every way to a token of a user, with every state of consent.
func TestEveryGrantNeedsConsent(t *testing.T) {
	for name, ways := range map[string]func(testing.TB, *fixture, func()) *httptest.ResponseRecorder{
		"authorization code": codeWay, "authorization code, another scope at the end": otherScopeWay,
		"authorization code, version 1": codeV1Way, "device code": deviceWay, "refresh token": refreshWay,
		"password": passwordWay, "password, version 1": passwordV1Way, "on behalf of": behalfWay,
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range standings {
				f := newStrangers(t)
				app := webApp
				if name == "on behalf of" {
					app = apiApp
				}
				w := ways(t, f, func() { s.prepare(t, f, app) })
				if !s.granted {
					f.refused(t, w, 400, 65001)
					if body := decode(t, w); body["error"] != "invalid_grant" || body["suberror"] != "consent_required" || body["access_token"] != nil {
						t.Errorf("%s: %v", s.name, body)
					}
					continue
				}
				if _, claims := f.granted(t, w); claims.Scopes != "user_impersonation" || claims.ObjectID != carolID || claims.AppID != app {
					t.Errorf("%s: claims %v", s.name, claims)
				}
			}
		})
	}
}

// toBegin lets a client have a code, a refresh token or a call, for another resource than the test is
// about.
func (f *fixture) toBegin(t testing.TB) string {
	id := f.consent(t, webApp, newerApp, carolID, "Begin")
	f.consent(t, webApp, directory.GraphAppID, carolID, basics)
	return id
}

const beginScope = "api://newer/Begin openid offline_access"

func otherScopeWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.toBegin(t)
	code := f.codeFor(t, carol, webAsks(beginScope))
	prepare()
	return f.post(tokenV2, webRedeems(code, "scope", arms+"/.default"))
}

// codeWay has consent end, or begin, between the code and its redemption.
func codeWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	id := f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	code := f.codeFor(t, carol, webAsks(arms+"/.default"))
	f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, id) })
	prepare()
	return f.post(tokenV2, webRedeems(code))
}

func codeV1Way(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	code := f.codeFor(t, carol, asked("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webBack, "scope", ""))
	prepare()
	return f.post(tokenV1, webRedeems(code, "resource", arms))
}

func deviceWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	id := f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	device, user := f.startDevice(t, deviceV2, "client_id", webApp, "scope", arms+"/.default")
	f.browse(t).allow(user, carol)
	f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, id) })
	prepare()
	return f.post(tokenV2, polling(device, "client_id", webApp, "client_secret", secret))
}

func refreshWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.toBegin(t)
	answer, _ := f.granted(t, f.post(tokenV2, webRedeems(f.codeFor(t, carol, webAsks(beginScope)))))
	prepare()
	return f.post(tokenV2, refreshing(answer["refresh_token"].(string), "client_id", webApp, "client_secret", secret, "scope", arms+"/.default offline_access"))
}

func passwordWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	prepare()
	return f.post(tokenV2, entering("client_id", webApp, "client_secret", secret, "username", carol))
}

func passwordV1Way(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	prepare()
	return f.post(tokenV1, entering("client_id", webApp, "client_secret", secret, "username", carol, "scope", "", "resource", arms))
}

func behalfWay(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.consent(t, webApp, apiApp, carolID, "Call")
	// That the client may call ARM itself is nothing to its middle tier.
	f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	call, _ := f.granted(t, f.post(tokenV2, entering("client_id", webApp, "client_secret", secret, "username", carol, "scope", "api://api/Call")))
	prepare()
	return f.post(tokenV2, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {apiApp}, "client_secret": {secret},
		"assertion": {call["access_token"].(string)}, "requested_token_use": {"on_behalf_of"}, "scope": {arms + "/.default"},
	}.Encode())
}

// TestFirstPartyClientsAreNotAskedFor is the other side of the table.
func TestFirstPartyClientsAreNotAskedFor(t *testing.T) {
	f := newStrangers(t)
	for _, client := range []string{directory.AzureCLIAppID, directory.AzurePowerShellAppID, directory.VisualStudioCodeAppID} {
		for _, scope := range []string{arms + "/.default", graphs + "/.default", "https://vault.azure.net/.default", "api://api/Read"} {
			answer, _ := f.granted(t, f.post(tokenV2, entering("client_id", client, "username", carol, "scope", scope+" offline_access")))
			f.granted(t, f.post(tokenV2, refreshing(answer["refresh_token"].(string), "client_id", client)))
		}
	}
}

// TestARemovedGrantEndsTheRefreshToken that it once allowed; a new one lets it go on.
func TestARemovedGrantEndsTheRefreshToken(t *testing.T) {
	f := newStrangers(t)
	b := f.browse(t)
	_, values := reply(t, b.accept(b.signIn(b.get(webAsks(arms+"/.default offline_access")), carol)))
	answer, _ := f.granted(t, f.post(tokenV2, webRedeems(values.Get("code"))))
	renew := func(answer map[string]any) *httptest.ResponseRecorder {
		return f.post(tokenV2, refreshing(answer["refresh_token"].(string), "client_id", webApp, "client_secret", secret))
	}
	answer, _ = f.granted(t, renew(answer))
	for _, g := range f.grants(t) {
		f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, g.ID) })
	}
	f.refused(t, renew(answer), 400, 65001)
	f.consent(t, webApp, directory.ARMAppID, "", "user_impersonation")
	f.granted(t, renew(answer)) // the refusal has not used it up
}

// TestScopesAreNoMoreThanGrantedOrAsked looks at the scp of tokens.
func TestScopesAreNoMoreThanGrantedOrAsked(t *testing.T) {
	f := newStrangers(t)
	f.consent(t, webApp, directory.GraphAppID, "", "User.Read")
	f.consent(t, webApp, directory.GraphAppID, carolID, "User.ReadWrite Not.There offline_access")
	for scope, want := range map[string]string{
		"User.Read":                         "User.Read",
		"user.read openid":                  "User.Read openid",
		graphs + "/.default":                "User.Read User.ReadWrite",
		graphs + "/.default openid email":   "User.Read User.ReadWrite openid email",
		"openid profile offline_access":     "openid profile",
		"User.ReadWrite User.Read":          "User.ReadWrite User.Read",
		"User.Read Directory.ReadWrite.All": "",
		"Not.There":                         "",
	} {
		w := f.post(tokenV2, entering("client_id", webApp, "client_secret", secret, "username", carol, "scope", scope))
		if want == "" {
			if body := decode(t, w); w.Code != 400 || body["access_token"] != nil {
				t.Errorf("%s: status %d", scope, w.Code)
			}
			continue
		}
		if _, claims := f.granted(t, w); claims.Scopes != want {
			t.Errorf("%s: scp %q, want %q", scope, claims.Scopes, want)
		}
	}
}

// TestADeviceAsksForConsent after the user has said that it is theirs.
func TestADeviceAsksForConsent(t *testing.T) {
	f := newStrangers(t)
	device, user := f.startDevice(t, deviceV2, "client_id", localApp)
	b := f.browse(t)
	w := b.allow(user, carol)
	f.refused(t, f.post(tokenV2, polling(device, "client_id", localApp)), 400, 70016)
	if w = b.accept(w); w.Code != 200 || !strings.Contains(w.Body.String(), "You are signed in to <bdi>Tool</bdi>") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if _, claims := f.granted(t, f.post(tokenV2, polling(device, "client_id", localApp))); claims.Scopes != "user_impersonation" {
		t.Errorf("claims %v", claims)
	}
	device, user = f.startDevice(t, deviceV2, "client_id", localApp)
	b.allow(user, carol)
	f.granted(t, f.post(tokenV2, polling(device, "client_id", localApp)))
	_, user = f.startDevice(t, deviceV2, "client_id", localApp, "scope", manage)
	if w := b.allow(user, carol); w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
