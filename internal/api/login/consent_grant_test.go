package login_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// consentStates are the consents that can exist when a client requests a token.
var consentStates = []struct {
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
		f.consent(t, app, directory.GraphAppID, "", oidcScopes+" User.Read Directory.ReadWrite.All")
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

// TestEveryGrantNeedsConsent tries every flow in which a user gets a token with every state of consent.
func TestEveryGrantNeedsConsent(t *testing.T) {
	for name, ways := range map[string]func(testing.TB, *fixture, func()) *httptest.ResponseRecorder{
		"authorization code": codeFlow, "authorization code, another scope at the end": otherScopeFlow,
		"authorization code, version 1": codeV1Flow, "device code": deviceFlow, "refresh token": refreshFlow,
		"password": passwordFlow, "password, version 1": passwordV1Flow, "on behalf of": behalfFlow,
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range consentStates {
				f := newFixtureWithoutConsent(t)
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

// consentToBeginScope lets the client get a code or a refresh token for a resource other than the tested one.
func (f *fixture) consentToBeginScope(t testing.TB) string {
	id := f.consent(t, webApp, newerApp, carolID, "Begin")
	f.consent(t, webApp, directory.GraphAppID, carolID, oidcScopes)
	return id
}

const beginScope = "api://newer/Begin openid offline_access"

func otherScopeFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.consentToBeginScope(t)
	code := f.codeFor(t, carol, webAuthorizeURL(beginScope))
	prepare()
	return f.post(tokenV2, webCodeForm(code, "scope", armAudience+"/.default"))
}

// codeFlow removes the consent, and may add another, between the code and its redemption.
func codeFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	id := f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	code := f.codeFor(t, carol, webAuthorizeURL(armAudience+"/.default"))
	f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, id) })
	prepare()
	return f.post(tokenV2, webCodeForm(code))
}

func codeV1Flow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	code := f.codeFor(t, carol, authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect, "scope", ""))
	prepare()
	return f.post(tokenV1, webCodeForm(code, "resource", armAudience))
}

func deviceFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	id := f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	device, user := f.startDevice(t, deviceV2, "client_id", webApp, "scope", armAudience+"/.default")
	f.browse(t).allow(user, carol)
	f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, id) })
	prepare()
	return f.post(tokenV2, devicePollForm(device, "client_id", webApp, "client_secret", secret))
}

func refreshFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.consentToBeginScope(t)
	answer, _ := f.granted(t, f.post(tokenV2, webCodeForm(f.codeFor(t, carol, webAuthorizeURL(beginScope)))))
	prepare()
	return f.post(tokenV2, refreshForm(answer["refresh_token"].(string), "client_id", webApp, "client_secret", secret, "scope", armAudience+"/.default offline_access"))
}

func passwordFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	prepare()
	return f.post(tokenV2, passwordForm("client_id", webApp, "client_secret", secret, "username", carol))
}

func passwordV1Flow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	prepare()
	return f.post(tokenV1, passwordForm("client_id", webApp, "client_secret", secret, "username", carol, "scope", "", "resource", armAudience))
}

func behalfFlow(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
	f.consent(t, webApp, apiApp, carolID, "Call")
	// The client's own consent for ARM does not apply to the middle tier.
	f.consent(t, webApp, directory.ARMAppID, carolID, "user_impersonation")
	call, _ := f.granted(t, f.post(tokenV2, passwordForm("client_id", webApp, "client_secret", secret, "username", carol, "scope", "api://api/Call")))
	prepare()
	return f.post(tokenV2, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {apiApp}, "client_secret": {secret},
		"assertion": {call["access_token"].(string)}, "requested_token_use": {"on_behalf_of"}, "scope": {armAudience + "/.default"},
	}.Encode())
}

// TestFirstPartyClientsNeedNoConsent requests tokens for several resources with Microsoft's own clients.
func TestFirstPartyClientsNeedNoConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	for _, client := range []string{directory.AzureCLIAppID, directory.AzurePowerShellAppID, directory.VisualStudioCodeAppID, directory.KubernetesAppID, "872cd9fa-d31f-45e0-9eab-6e460a02d1f1"} {
		for _, scope := range []string{armAudience + "/.default", graphAudience + "/.default", "https://vault.azure.net/.default", "api://api/Read"} {
			answer, _ := f.granted(t, f.post(tokenV2, passwordForm("client_id", client, "username", carol, "scope", scope+" offline_access")))
			f.granted(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string), "client_id", client)))
		}
	}
}

// TestRefreshTokenNeedsConsent removes the consent of a refresh token and adds another one.
func TestRefreshTokenNeedsConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	_, values := reply(t, b.accept(b.signIn(b.get(webAuthorizeURL(armAudience+"/.default offline_access")), carol)))
	answer, _ := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code"))))
	renew := func(answer map[string]any) *httptest.ResponseRecorder {
		return f.post(tokenV2, refreshForm(answer["refresh_token"].(string), "client_id", webApp, "client_secret", secret))
	}
	answer, _ = f.granted(t, renew(answer))
	for _, g := range f.permissionGrants(t) {
		f.update(t, func(tx store.Tx) error { return f.Directory.DeletePermissionGrant(tx, tenant, g.ID) })
	}
	f.refused(t, renew(answer), 400, 65001)
	f.consent(t, webApp, directory.ARMAppID, "", "user_impersonation")
	f.granted(t, renew(answer)) // the refusal did not consume it
}

// TestScopesAreLimitedToConsentAndRequest compares the scp of tokens with the requested scopes.
func TestScopesAreLimitedToConsentAndRequest(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.consent(t, webApp, directory.GraphAppID, "", "User.Read")
	f.consent(t, webApp, directory.GraphAppID, carolID, "User.ReadWrite Not.There offline_access")
	for scope, want := range map[string]string{
		"User.Read":                              "User.Read",
		"user.read openid":                       "User.Read openid",
		graphAudience + "/.default":              "User.Read User.ReadWrite",
		graphAudience + "/.default openid email": "User.Read User.ReadWrite openid email",
		"openid profile offline_access":          "openid profile",
		"User.ReadWrite User.Read":               "User.ReadWrite User.Read",
		"User.Read Directory.ReadWrite.All":      "",
		"Not.There":                              "",
	} {
		w := f.post(tokenV2, passwordForm("client_id", webApp, "client_secret", secret, "username", carol, "scope", scope))
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

// TestDeviceFlowAsksForConsent checks that consent is asked for after the user has confirmed the device.
func TestDeviceFlowAsksForConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	device, user := f.startDevice(t, deviceV2, "client_id", localApp)
	b := f.browse(t)
	w := b.allow(user, carol)
	f.refused(t, f.post(tokenV2, devicePollForm(device, "client_id", localApp)), 400, 70016)
	if w = b.accept(w); w.Code != 200 || !strings.Contains(w.Body.String(), "You are signed in to <bdi>Tool</bdi>") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if _, claims := f.granted(t, f.post(tokenV2, devicePollForm(device, "client_id", localApp))); claims.Scopes != "user_impersonation" {
		t.Errorf("claims %v", claims)
	}
	device, user = f.startDevice(t, deviceV2, "client_id", localApp)
	b.allow(user, carol)
	f.granted(t, f.post(tokenV2, devicePollForm(device, "client_id", localApp)))
	_, user = f.startDevice(t, deviceV2, "client_id", localApp, "scope", adminScope)
	if w := b.allow(user, carol); w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
