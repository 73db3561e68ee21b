package login_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// updatePrincipal changes the service principal of an application.
func (f *fixture) updatePrincipal(t testing.TB, app string, change func(*directory.ServicePrincipal)) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		p, err := f.Directory.ServicePrincipal(tx, tenant, "sp-"+app)
		if err != nil {
			return err
		}
		change(&p)
		return f.Directory.UpdateServicePrincipal(tx, p)
	})
}

func requireAssignment(p *directory.ServicePrincipal) { p.AssignmentRequired = true }
func disable(p *directory.ServicePrincipal)           { p.Enabled = false }

// assign gives a principal the default role of an application.
func (f *fixture) assign(t testing.TB, principal, app string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		_, err := f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{
			TenantID: tenant, PrincipalID: principal, ResourceID: "sp-" + app, AppRoleID: directory.DefaultAppRole,
		})
		return err
	})
}

func (f *fixture) addGroup(t testing.TB, id string, members ...string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		if err := f.Directory.CreateGroup(tx, directory.Group{ID: id, TenantID: tenant, DisplayName: id}); err != nil {
			return err
		}
		for _, m := range members {
			if err := f.Directory.AddMember(tx, tenant, id, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// apiTokenFlows are all flows in which Carol gets a token for api://api; prepare is called before the last step.
func apiTokenFlows() map[string]func(testing.TB, *fixture, func()) *httptest.ResponseRecorder {
	own := []string{"client_id", webApp, "client_secret", secret}
	const scope = "api://api/.default offline_access"
	return map[string]func(testing.TB, *fixture, func()) *httptest.ResponseRecorder{
		"authorization code": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			code := f.codeFor(t, carol, webAuthorizeURL(scope))
			prepare()
			return f.post(tokenV2, webCodeForm(code))
		},
		"device code": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			device, user := f.startDevice(t, deviceV2, "client_id", webApp, "scope", scope)
			f.browse(t).allow(user, carol)
			prepare()
			return f.post(tokenV2, devicePollForm(device, own...))
		},
		"refresh token": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			answer, _ := f.granted(t, f.post(tokenV2, webCodeForm(f.codeFor(t, carol, webAuthorizeURL(scope)))))
			prepare()
			return f.post(tokenV2, refreshForm(answer["refresh_token"].(string), own...))
		},
		"password": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			prepare()
			return f.post(tokenV2, passwordForm(append(own, "username", carol, "scope", scope)...))
		},
		"password, version 1": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			prepare()
			return f.post(tokenV1, passwordForm(append(own, "username", carol, "scope", "", "resource", "api://api")...))
		},
		"on behalf of": func(t testing.TB, f *fixture, prepare func()) *httptest.ResponseRecorder {
			f.consent(t, webApp, directory.ARMAppID, "", "user_impersonation")
			call, _ := f.granted(t, f.post(tokenV2, passwordForm("username", carol, "scope", webApp+"/.default")))
			prepare()
			return f.post(tokenV2, url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {webApp}, "client_secret": {secret},
				"assertion": {call["access_token"].(string)}, "requested_token_use": {"on_behalf_of"}, "scope": {scope},
			}.Encode())
		},
	}
}

// TestUserTokensNeedAppAssignment requires assignment at the client or at the resource, and tries every flow in
// which a user gets a token with every kind of assignment.
func TestUserTokensNeedAppAssignment(t *testing.T) {
	states := []struct {
		name     string
		assigned bool
		prepare  func(testing.TB, *fixture, string)
	}{
		{"nothing", false, func(testing.TB, *fixture, string) {}},
		{"assigned", true, func(t testing.TB, f *fixture, app string) { f.assign(t, carolID, app) }},
		{"a group that is assigned", true, func(t testing.TB, f *fixture, app string) {
			f.addGroup(t, "group", carolID)
			f.assign(t, "group", app)
		}},
		{"a group in a group that is assigned", false, func(t testing.TB, f *fixture, app string) {
			f.addGroup(t, "inner", carolID)
			f.addGroup(t, "outer", "inner")
			f.assign(t, "outer", app)
		}},
		{"a group that was assigned and is gone", false, func(t testing.TB, f *fixture, app string) {
			f.addGroup(t, "group", carolID)
			f.assign(t, "group", app)
			f.update(t, func(tx store.Tx) error { return f.Directory.DeleteGroup(tx, tenant, "group") })
		}},
		{"assigned elsewhere", false, func(t testing.TB, f *fixture, app string) { f.assign(t, carolID, certApp) }},
		{"another is assigned", false, func(t testing.TB, f *fixture, app string) { f.assign(t, aliceID, app) }},
	}
	for name, way := range apiTokenFlows() {
		t.Run(name, func(t *testing.T) {
			for _, app := range []string{webApp, apiApp} { // the client, and the resource
				for _, s := range states {
					f := newFixtureWithCarol(t)
					w := way(t, f, func() {
						f.updatePrincipal(t, app, requireAssignment)
						s.prepare(t, f, app)
					})
					if s.assigned {
						f.granted(t, w)
						continue
					}
					f.refused(t, w, 400, 50105)
					body := decode(t, w)
					if text, _ := body["error_description"].(string); body["error"] != "invalid_grant" || !strings.Contains(text, "('"+app+"') to block users") {
						t.Errorf("%s: %v", s.name, body)
					}
				}
			}
		})
	}
}

// newFixtureWithCarol adds an administrator's consent for all applications to newFixtureWithoutConsent.
func newFixtureWithCarol(t testing.TB) *fixture {
	f := newFixtureWithoutConsent(t)
	f.consentToAll(t)
	return f
}

// TestUnassignedUsersGetNoCode tries the sign-in page with and without a session, and the approval of a device.
func TestUnassignedUsersGetNoCode(t *testing.T) {
	f := newFixtureWithCarol(t)
	f.updatePrincipal(t, webApp, requireAssignment)
	b := f.browse(t)
	for i, w := range []*httptest.ResponseRecorder{
		b.signIn(b.get(webAuthorizeURL("api://api/.default")), carol),
		b.open(webAuthorizeURL("api://api/.default")),
		b.open(webAuthorizeURL("api://api/.default", "prompt", "none")),
		b.open(authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect, "scope", "")),
	} {
		to, values := reply(t, w)
		if to != webRedirect || values.Get("code") != "" || values.Get("error") != "access_denied" || !strings.HasPrefix(values.Get("error_description"), "AADSTS50105: ") {
			t.Errorf("%d: %s %v", i, to, values)
		}
	}
	device, user := f.startDevice(t, deviceV2, "client_id", webApp, "scope", "api://api/.default")
	if w := f.browse(t).allow(user, carol); w.Code != 400 || !strings.Contains(w.Body.String(), "AADSTS50105") {
		t.Errorf("a device: %d %s", w.Code, w.Body)
	}
	f.refused(t, f.post(tokenV2, devicePollForm(device, "client_id", webApp, "client_secret", secret)), 400, 70016)
	f.assign(t, carolID, webApp)
	if _, values := reply(t, b.open(webAuthorizeURL("api://api/.default"))); values.Get("code") == "" {
		t.Errorf("assigned: %v", values)
	}
}

// resourceNames are the names by which a client can request tokens for the resource.
func resourceNames() []string {
	return []string{
		"api://api", "api://api/", "API://Api", apiApp, strings.ToUpper(apiApp), "api://" + apiApp, "api://" + apiApp + "/", "API://" + strings.ToUpper(apiApp),
	}
}

// TestAppOnlyTokensNeedAppAssignment requests tokens by each name of the resource, with and without a cached token.
func TestAppOnlyTokensNeedAppAssignment(t *testing.T) {
	f := newFixtureWithUsers(t)
	ask := func(audience string) *httptest.ResponseRecorder {
		return f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", audience+"/.default"))
	}
	for _, audience := range resourceNames() {
		f.granted(t, ask(audience))
	}
	f.updatePrincipal(t, apiApp, requireAssignment)
	f.updatePrincipal(t, webApp, requireAssignment) // applies to users who sign in to it, not to its own tokens
	for _, audience := range resourceNames() {
		w := ask(audience)
		f.refused(t, w, 400, 501051)
		want := "AADSTS501051: Application '" + webApp + "'(Web <i>app</i>) is not assigned to a role for the application '" + apiApp + "'(API)."
		if body := decode(t, w); body["error"] != "invalid_grant" || !strings.HasPrefix(body["error_description"].(string), want) {
			t.Errorf("%s: %v", audience, body)
		}
		f.refused(t, f.post(tokenV1, clientCredentialsForm("client_id", webApp, "scope", "", "resource", audience)), 400, 501051)
	}
	f.refused(t, f.post(tokenV2, clientCredentialsForm("client_id", apiApp, "scope", "api://api/.default")), 400, 501051) // also at itself
	f.granted(t, ask("api://newer"))
	f.assign(t, "sp-"+webApp, apiApp)
	for _, audience := range resourceNames() {
		f.granted(t, ask(audience))
	}
}

// TestFirstPartyClientsDoNotBypassAssignment uses Azure CLI, which needs no consent but still needs the user's assignment.
func TestFirstPartyClientsDoNotBypassAssignment(t *testing.T) {
	f := newFixtureWithCarol(t)
	f.updatePrincipal(t, apiApp, requireAssignment)
	f.assign(t, aliceID, apiApp)
	for _, audience := range resourceNames() {
		f.refused(t, f.post(tokenV2, passwordForm("username", carol, "scope", audience+"/.default")), 400, 50105)
		f.granted(t, f.post(tokenV2, passwordForm("scope", audience+"/.default")))
	}
}

// TestAssignmentIsFoundAmongManyOthers gives a principal more than 2,000 assignments at other resources.
func TestAssignmentIsFoundAmongManyOthers(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.updatePrincipal(t, apiApp, requireAssignment)
	f.assign(t, "sp-"+webApp, apiApp)
	for i := range 110 { // some precede the one that counts, some follow it
		f.update(t, func(tx store.Tx) error {
			for j := range 20 {
				id := fmt.Sprintf("%c%d-%d", "0az"[j%3], i, j)
				tx.Put(store.AppRoleKind.Key(tenant, "sp-"+webApp+"/"+id), fmt.Appendf(nil, `{"v":1,"id":%q,"resourceId":"other"}`, id))
			}
			return nil
		})
	}
	f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
}

// TestNoTokensForDisabledResources tries every flow and every name of the resource.
func TestNoTokensForDisabledResources(t *testing.T) {
	refused := func(t *testing.T, f *fixture, w *httptest.ResponseRecorder) {
		t.Helper()
		f.refused(t, w, 400, 500014)
		body := decode(t, w)
		if text, _ := body["error_description"].(string); body["error"] != "invalid_resource" || !strings.HasPrefix(text, "AADSTS500014: The service principal for resource '") {
			t.Errorf("%v", body)
		}
	}
	for name, way := range apiTokenFlows() {
		t.Run(name, func(t *testing.T) {
			f := newFixtureWithCarol(t)
			refused(t, f, way(t, f, func() { f.updatePrincipal(t, apiApp, disable) }))
		})
	}
	f := newFixtureWithUsers(t)
	for _, audience := range resourceNames() {
		f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", audience+"/.default")))
	}
	f.updatePrincipal(t, apiApp, disable)
	for _, audience := range resourceNames() {
		refused(t, f, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", audience+"/.default")))
		refused(t, f, f.post(tokenV1, clientCredentialsForm("client_id", webApp, "scope", "", "resource", audience)))
		refused(t, f, f.post(tokenV2, passwordForm("scope", audience+"/.default"))) // Azure CLI, which needs no consent
	}
	_, values := reply(t, f.browse(t).signInAt(webAuthorizeURL("api://api/.default"), alice))
	if values.Get("code") != "" || values.Get("error") != "invalid_resource" {
		t.Errorf("at the page: %v", values)
	}
	f.updatePrincipal(t, apiApp, func(p *directory.ServicePrincipal) { p.Enabled = true })
	f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
}

// signInAt opens an address and signs in.
func (b *browser) signInAt(address, name string) *httptest.ResponseRecorder {
	return b.signIn(b.get(address), name)
}
