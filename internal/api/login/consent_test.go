package login_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

const (
	carol         = "carol@" + domain // has no directory role
	carolID       = "11111111-0000-4000-8000-000000000004"
	graphAudience = "https://graph.microsoft.com"
	adminScope    = graphAudience + "/Directory.ReadWrite.All"
	oidcScopes    = "openid profile email offline_access"
)

// newFixtureWithoutConsent returns a fixture with users and applications, and without any consent.
func newFixtureWithoutConsent(t testing.TB) *fixture {
	f := newFixture(t)
	f.addUsers(t)
	hash, err := f.Directory.HashPassword(t.Context(), password, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		return f.Directory.CreateUser(tx, directory.User{ID: carolID, TenantID: tenant, UserPrincipalName: carol, DisplayName: "Carol", Enabled: true}, hash)
	})
	return f
}

// accept submits a consent page with the accept button. It fails if the page is not a consent page.
func (b *browser) accept(w *httptest.ResponseRecorder, fields ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	if !strings.Contains(w.Body.String(), "<h1>Permissions requested</h1>") {
		b.t.Fatalf("status %d, no consent page: %s %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	safePage(b.t, w)
	return b.submit(w, append(fields, "action", "accept")...)
}

// open opens an address. If the account page appears, it continues as the signed-in user.
func (b *browser) open(address string) *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.get(address)
	if strings.Contains(w.Body.String(), "<h1>Choose an account</h1>") {
		return b.submit(w, "action", "continue")
	}
	return w
}

// webAuthorizeURL is an authorization request of webApp.
func webAuthorizeURL(scope string, changes ...string) string {
	return authorizeURL(authorizeV2, append([]string{"client_id", webApp, "redirect_uri", webRedirect, "scope", scope}, changes...)...)
}

func webCodeForm(code string, changes ...string) string {
	return codeForm(code, append([]string{"client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect}, changes...)...)
}

func (f *fixture) permissionGrants(t testing.TB) (all []directory.PermissionGrant) {
	t.Helper()
	f.update(t, func(tx store.Tx) (err error) {
		all, err = f.Directory.PermissionGrants(tx, tenant, "", 0)
		return err
	})
	return all
}

// setProperties sets properties of an application's registration that concern consent.
func (f *fixture) setProperties(t testing.TB, app string, properties map[string]string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, app)
		if err != nil {
			return err
		}
		extra := map[string]json.RawMessage{}
		for name, value := range properties {
			extra[name] = json.RawMessage(value)
		}
		a.Extra = extra
		return f.Directory.UpdateApplication(tx, a)
	})
}

// TestSilentRequestsWithoutConsentAreRefused has an attack: a user with a session opens a link to the
// authorization endpoint for an application of the attacker.
func TestSilentRequestsWithoutConsentAreRefused(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	for _, name := range []string{alice, carol} {
		b := f.browse(t)
		b.signIn(b.get(authorizeURL(authorizeV2)), name)
		for _, scope := range []string{armAudience + "/.default " + oidcScopes, graphAudience + "/.default", "User.Read", "openid", "api://api/Read", apiApp + "/.default", graphAudience + "/Directory.AccessAsUser.All"} {
			for _, path := range []string{authorizeV2, "/common/oauth2/v2.0/authorize", "/" + domain + "/oauth2/v2.0/authorize"} {
				to, values := reply(t, b.get(authorizeURL(path, "client_id", webApp, "redirect_uri", webRedirect, "scope", scope, "prompt", "none")))
				if to != webRedirect || values.Get("error") != "interaction_required" || values.Get("suberror") != "consent_required" || values.Get("code") != "" || !strings.HasPrefix(values.Get("error_description"),
					"AADSTS65001: The user or administrator has not consented to use the application with ID '"+webApp+"' named 'Web <i>app</i>'. Send an interactive authorization request for this user and resource.") {
					t.Errorf("%s: %s %v", scope, to, values)
				}
			}
		}
		_, values := reply(t, b.get(authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect, "scope", "", "resource", armAudience, "prompt", "none")))
		if values.Get("error") != "interaction_required" {
			t.Errorf("version 1: %v", values)
		}
		// At the v1.0 endpoint the resource can be given when the code is redeemed.
		_, values = reply(t, b.get(authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect, "scope", "", "prompt", "none")))
		f.refused(t, f.post(tokenV1, webCodeForm(values.Get("code"), "resource", armAudience)), 400, 65001)
	}
	if all := f.permissionGrants(t); len(all) != 0 {
		t.Errorf("grants %v", all)
	}
}

// TestConsentIsAskedOnce accepts, and is asked again only for more permissions.
func TestConsentIsAskedOnce(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	scope := armAudience + "/user_impersonation openid offline_access"
	w := b.signIn(b.get(webAuthorizeURL(scope)), carol)
	for _, must := range []string{
		"<bdi>Web &lt;i&gt;app&lt;/i&gt;</bdi>", webApp, "Published by <bdi>contoso.example</bdi>, unverified", "<bdi>" + webRedirect + "</bdi>",
		"Windows Azure Service Management API", "Access Azure Resource Manager as you", "Microsoft Graph", "Sign you in", "Maintain access", carol,
	} {
		if !strings.Contains(w.Body.String(), must) {
			t.Errorf("the page lacks %s: %s", must, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), `name="organization"`) {
		t.Error("a user without a directory role is offered to consent for the organization")
	}
	_, values := reply(t, b.accept(w))
	answer, claims := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code"))))
	if claims.Scopes != "user_impersonation" || claims.ObjectID != carolID || claims.AppID != webApp || answer["id_token"] == nil || answer["refresh_token"] == nil {
		t.Errorf("claims %v, answer %v", claims, answer)
	}
	for _, again := range []string{webAuthorizeURL(scope), webAuthorizeURL(scope, "prompt", "none"), webAuthorizeURL(armAudience+"/.default", "prompt", "none"), webAuthorizeURL("openid", "prompt", "none")} {
		if _, values := reply(t, b.get(again)); values.Get("code") == "" {
			t.Errorf("%s: %v", again, values)
		}
	}
	// Other permissions, users and applications need their own consent.
	if _, values := reply(t, b.get(webAuthorizeURL("User.Read", "prompt", "none"))); values.Get("error") != "interaction_required" {
		t.Errorf("more: %v", values)
	}
	if w := b.open(authorizeURL(authorizeV2, "client_id", localApp)); !strings.Contains(w.Body.String(), "Permissions requested") {
		t.Errorf("another application: %s", w.Body)
	}
	if w := f.browse(t); !strings.Contains(w.signIn(w.get(webAuthorizeURL(scope)), alice).Body.String(), "Permissions requested") {
		t.Error("somebody else is not asked")
	}
	want := []string{
		"Principal " + carolID + " offline_access openid",
		"Principal " + carolID + " user_impersonation",
	}
	if got := f.grantSummary(t); !slices.Equal(got, want) {
		t.Errorf("grants %q, want %q", got, want)
	}
}

// grantSummary lists all permission grants in order.
func (f *fixture) grantSummary(t testing.TB) (all []string) {
	for _, g := range f.permissionGrants(t) {
		values := strings.Fields(g.Scope)
		slices.Sort(values)
		all = append(all, strings.TrimSpace(g.ConsentType+" "+g.PrincipalID)+" "+strings.Join(values, " "))
	}
	slices.Sort(all)
	return all
}

func TestDeclinedConsentGrantsNothing(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	_, values := reply(t, b.submit(b.signIn(b.get(webAuthorizeURL("User.Read")), carol), "action", "cancel"))
	if values.Get("error") != "access_denied" || !strings.HasPrefix(values.Get("error_description"), "AADSTS65004: ") || values.Get("state") != "st&<ate" {
		t.Errorf("%v", values)
	}
	device, user := f.startDevice(t, deviceV2, "client_id", localApp)
	w := b.allow(user, carol)
	b.submit(w, "action", "cancel")
	f.refused(t, f.post(tokenV2, devicePollForm(device, "client_id", localApp)), 400, 70017)
	if all := f.permissionGrants(t); len(all) != 0 {
		t.Errorf("grants %v", all)
	}
}

func TestPromptConsentAsksAgain(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.consent(t, webApp, directory.GraphAppID, "", "User.Read "+oidcScopes)
	b := f.browse(t)
	w := b.signIn(b.get(webAuthorizeURL("User.Read openid", "prompt", "consent")), carol)
	_, values := reply(t, b.accept(w))
	if values.Get("code") == "" {
		t.Errorf("%v", values)
	}
	if !slices.Contains(f.grantSummary(t), "Principal "+carolID+" User.Read openid") {
		t.Errorf("grants %q", f.grantSummary(t))
	}
	if w := b.get(webAuthorizeURL("User.Read openid", "prompt", "consent")); !strings.Contains(w.Body.String(), "Permissions requested") {
		t.Error("it is not asked a second time")
	}
}

// TestAdministratorsConsentForTheOrganization sends the organization field with roles that may and may not consent.
func TestAdministratorsConsentForTheOrganization(t *testing.T) {
	for _, role := range []string{"", directory.DirectoryReaders, directory.GlobalAdministrator, directory.ApplicationAdministrator, directory.CloudAppAdministrator, directory.PrivilegedRoleAdmin} {
		f := newFixtureWithoutConsent(t)
		may := role != "" && role != directory.DirectoryReaders
		if role != "" {
			f.update(t, func(tx store.Tx) error { return f.Directory.AssignDirectoryRole(tx, tenant, role, carolID) })
		}
		b := f.browse(t)
		w := b.signIn(b.get(webAuthorizeURL("User.Read")), carol)
		if strings.Contains(w.Body.String(), `name="organization"`) != may {
			t.Errorf("role %s: whether the page has the organization field is not %v", role, may)
		}
		w = b.accept(w, "organization", "true") // sent even if the page does not have the field
		if !may {
			if w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") || len(f.permissionGrants(t)) != 0 {
				t.Errorf("role %s: status %d, grants %q", role, w.Code, f.grantSummary(t))
			}
			continue
		}
		reply(t, w)
		if got := f.grantSummary(t); !slices.Equal(got, []string{"AllPrincipals User.Read"}) {
			t.Errorf("role %s: grants %q", role, got)
		}
		everyone := f.browse(t)
		if _, values := reply(t, everyone.signIn(everyone.get(webAuthorizeURL("User.Read")), alice)); values.Get("code") == "" {
			t.Errorf("role %s: another user is still asked: %v", role, values)
		}
	}
}

// TestAdminOnlyPermissionsNeedAnAdministrator also forges the accept button.
func TestAdminOnlyPermissionsNeedAnAdministrator(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	w := b.signIn(b.get(webAuthorizeURL(adminScope+" openid")), carol)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") || strings.Contains(w.Body.String(), `value="accept"`) {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	safePage(t, w)
	for _, forged := range []string{"accept", "continue"} {
		if w := b.submit(w, "action", forged, "organization", "true"); w.Code == 303 {
			t.Errorf("%s: %s", forged, w.Header().Get("Location"))
		}
	}
	_, values := reply(t, b.submit(w, "action", "cancel"))
	if values.Get("error") != "access_denied" {
		t.Errorf("%v", values)
	}
	if len(f.permissionGrants(t)) != 0 {
		t.Fatalf("grants %q", f.grantSummary(t))
	}
	// An administrator signs in on the same page and consents for their own account.
	reply(t, b.accept(b.signIn(b.submit(w, "action", "other"), alice)))
	if got := f.grantSummary(t); !slices.Equal(got, []string{"Principal " + aliceID + " Directory.ReadWrite.All openid"}) {
		t.Errorf("grants %q", got)
	}
}

// TestConsentFormsGrantOnlyDisplayedPermissions sends consent forms twice, from another browser, for another
// user, and after the registration has changed.
func TestConsentFormsGrantOnlyDisplayedPermissions(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": `[{"resourceAppId":"` + directory.GraphAppID + `","resourceAccess":[{"id":"e1fe6dd8-ba31-4d61-89e7-88639da4683d","type":"Scope"}]}]`})
	b := f.browse(t)
	w := b.signIn(b.get(webAuthorizeURL(graphAudience+"/.default")), carol)
	action, form := formOf(t, w)
	form.Set("action", "accept")
	stranger := f.browse(t)
	stranger.signIn(stranger.get(authorizeURL(authorizeV2)), alice)
	if w := stranger.post(action, form); w.Header().Get("Location") != "" || len(f.permissionGrants(t)) != 0 {
		t.Errorf("in another browser: status %d, %s, grants %q", w.Code, w.Header().Get("Location"), f.grantSummary(t))
	}
	more := url.Values{}
	for name, values := range form {
		more[name] = values
	}
	for _, field := range []string{"scope", "client_id", "consent", "grants", "user"} {
		more.Set(field, adminScope)
	}
	// The registration requests more permissions than when the page was displayed.
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": `[{"resourceAppId":"` + directory.GraphAppID + `","resourceAccess":[{"id":"b4e74841-8e56-480b-be8b-910348b18b4c","type":"Scope"},{"id":"0e263e50-5827-48a4-b97c-d940288653c7","type":"Scope"}]}]`})
	for range 2 { // the form is sent twice, as by a double click
		reply(t, b.post(action, more))
		if got := f.grantSummary(t); !slices.Equal(got, []string{"Principal " + carolID + " User.Read"}) {
			t.Errorf("grants %q", got)
		}
	}
	// Another user, who has seen no consent page, signs in with the same browser.
	form.Set("request", formRequest(t, b.get(webAuthorizeURL("User.ReadWrite"))))
	b.signIn(b.get(authorizeURL(authorizeV2, "prompt", "login")), alice)
	b.signOut(carol)
	if w := b.post(action, form); w.Code != 200 || !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") || len(f.permissionGrants(t)) != 1 {
		t.Errorf("by another user: status %d, grants %q", w.Code, f.grantSummary(t))
	}
	b.signIn(b.get(authorizeURL(authorizeV2, "prompt", "login")), carol)
	b.signOut(alice)
	// The redirect URI has been removed from the registration.
	form.Set("request", formRequest(t, b.get(webAuthorizeURL("User.ReadWrite"))))
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, webApp)
		a.Redirects = directory.Redirects{Web: []string{"https://app.test/new"}}
		return errors.Join(err, f.Directory.UpdateApplication(tx, a))
	})
	if w := b.post(action, form); w.Code != 400 || !strings.Contains(w.Body.String(), "AADSTS50011") || len(f.permissionGrants(t)) != 1 {
		t.Errorf("status %d, grants %q", w.Code, f.grantSummary(t))
	}
}

func formRequest(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	_, values := formOf(t, w)
	return values.Get("request")
}

// TestAcceptChecksConsentAgain changes what a user may consent to while the consent page is open.
func TestAcceptChecksConsentAgain(t *testing.T) {
	scopes := func(kind string) map[string]string {
		return map[string]string{"api": `{"oauth2PermissionScopes":[{"id":"22222222-0000-4000-8000-000000000001","value":"Read","type":"` + kind + `","isEnabled":true,"userConsentDisplayName":"Read your things"}]}`}
	}
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, apiApp, scopes("User"))
	b := f.browse(t)
	w := b.signIn(b.get(webAuthorizeURL("api://api/Read")), carol)
	if !strings.Contains(w.Body.String(), "<bdi>Read your things</bdi>") {
		t.Errorf("the page lacks the permission's display name: %s", w.Body)
	}
	f.setProperties(t, apiApp, scopes("Admin"))
	if w := b.accept(w); w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") || len(f.permissionGrants(t)) != 0 {
		t.Errorf("status %d, grants %q", w.Code, f.grantSummary(t))
	}
	f.setProperties(t, apiApp, map[string]string{"api": `{"oauth2PermissionScopes":[{"id":"22222222-0000-4000-8000-000000000002","value":"Write","type":"User","isEnabled":true}]}`})
	if w := b.accept(w); w.Code != 403 {
		t.Errorf("a deleted permission: status %d", w.Code)
	}
	// The user has lost the administrator role.
	admin := f.browse(t)
	page := admin.signIn(admin.get(webAuthorizeURL(adminScope)), alice)
	f.update(t, func(tx store.Tx) error {
		return f.Directory.RemoveDirectoryRole(tx, tenant, directory.GlobalAdministrator, aliceID)
	})
	for _, all := range []string{"", "true"} {
		if w := admin.accept(page, "organization", all); w.Code != 403 || len(f.permissionGrants(t)) != 0 {
			t.Errorf("status %d, grants %q", w.Code, f.grantSummary(t))
		}
	}
	// The client has been deleted.
	page = b.get(webAuthorizeURL("User.Read"))
	f.update(t, func(tx store.Tx) error { return f.Directory.DeleteServicePrincipal(tx, tenant, "sp-"+webApp) })
	if w := b.accept(page); w.Code != 400 || len(f.permissionGrants(t)) != 0 {
		t.Errorf("status %d, grants %q", w.Code, f.grantSummary(t))
	}
}
