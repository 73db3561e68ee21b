package login_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

const required = `[
	{"resourceAppId":"` + directory.GraphAppID + `","resourceAccess":[
		{"id":"e1fe6dd8-ba31-4d61-89e7-88639da4683d","type":"Scope"},{"id":"06da0dbc-49e2-44d2-8312-53f166ab848a","type":"Scope"},
		{"id":"df021288-bdef-4463-88db-98f22de89214","type":"Role"},{"id":"00000000-0000-4000-8000-00000000dead","type":"Role"}]},
	{"resourceAppId":"00000000-0000-4000-8000-00000000beef","resourceAccess":[{"id":"00000000-0000-4000-8000-00000000dead","type":"Scope"}]},
	{"resourceAppId":"` + directory.ARMAppID + `","resourceAccess":[{"id":"41094075-9dad-400e-a0bd-54e686782033","type":"Scope"}]}]`

func adminConsentURL(path string, changes ...string) string {
	return "/" + tenant + path + "?" + withChanges(url.Values{"client_id": {webApp}, "redirect_uri": {webRedirect}, "state": {"12&3"}}, changes...)
}

func TestAdminConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": required})
	b := f.browse(t)
	w := b.signIn(b.get(adminConsentURL("/adminconsent")), alice)
	for _, must := range []string{"on behalf of your organization", "Read directory data", "<bdi>Read all users</bdi> (without a signed-in user)", "Access Azure Resource Manager as you"} {
		if !strings.Contains(w.Body.String(), must) {
			t.Errorf("the page lacks %q: %s", must, w.Body)
		}
	}
	to, values := reply(t, b.accept(w))
	if to != webRedirect || values.Get("admin_consent") != "True" || values.Get("tenant") != tenant || values.Get("state") != "12&3" || values.Get("code") != "" {
		t.Errorf("%s %v", to, values)
	}
	if got := f.grantSummary(t); !slices.Equal(got, []string{"AllPrincipals Directory.Read.All User.Read", "AllPrincipals user_impersonation"}) {
		t.Errorf("grants %q", got)
	}
	f.update(t, func(tx store.Tx) error {
		all, err := f.Directory.AppRoleAssignments(tx, tenant, "sp-"+webApp)
		if len(all) != 1 || all[0].AppRoleID != "df021288-bdef-4463-88db-98f22de89214" {
			t.Errorf("app roles %v", all)
		}
		return err
	})
	reply(t, b.accept(b.get(adminConsentURL("/adminconsent")))) // consenting again is not an error
	everyone := f.browse(t)
	if _, values := reply(t, everyone.signIn(everyone.get(webAuthorizeURL(armAudience+"/.default")), carol)); values.Get("code") == "" {
		t.Errorf("%v", values)
	}
}

func TestAdminConsentToNamedScopes(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	_, values := reply(t, b.accept(b.signIn(b.get(adminConsentURL("/v2.0/adminconsent", "scope", adminScope+" openid")), alice)))
	if values.Get("admin_consent") != "True" || values.Get("scope") != adminScope+" openid" {
		t.Errorf("%v", values)
	}
	if got := f.grantSummary(t); !slices.Equal(got, []string{"AllPrincipals Directory.ReadWrite.All openid"}) {
		t.Errorf("grants %q", got)
	}
	_, values = reply(t, b.accept(b.get(adminConsentURL("/v2.0/adminconsent", "scope", armAudience+"/.default"))))
	if values.Get("admin_consent") != "True" || !slices.Contains(f.grantSummary(t), "AllPrincipals user_impersonation") {
		t.Errorf("%v, grants %q", values, f.grantSummary(t))
	}
}

func TestInvalidAdminConsentRequestsAreRefused(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	b.signIn(b.get(authorizeURL(authorizeV2)), alice)
	for name, try := range map[string]struct{ address, want string }{
		"nothing listed":     {adminConsentURL("/adminconsent"), "AADSTS650056"},
		"no scope":           {adminConsentURL("/v2.0/adminconsent"), "AADSTS900144"},
		"unknown scope":      {adminConsentURL("/v2.0/adminconsent", "scope", "Mail.Everything"), "AADSTS650053"},
		"two resources":      {adminConsentURL("/v2.0/adminconsent", "scope", "User.Read "+armAudience+"/.default"), "AADSTS28000"},
		"unknown resource":   {adminConsentURL("/v2.0/adminconsent", "scope", "api://nowhere/.default"), "AADSTS500011"},
		"first-party client": {adminConsentURL("/v2.0/adminconsent", "scope", "User.Read", "client_id", cli, "redirect_uri", localRedirect), "AADSTS650056"},
	} {
		if _, values := reply(t, b.open(try.address)); !strings.HasPrefix(values.Get("error_description"), try.want) || values.Get("admin_consent") != "" {
			t.Errorf("%s: %v", name, values)
		}
	}
	for name, address := range map[string]string{
		"another redirect": adminConsentURL("/adminconsent", "redirect_uri", "https://evil.test/"),
		"no client":        adminConsentURL("/adminconsent", "client_id", ""),
	} {
		if w := b.get(address); w.Code != 400 || w.Header().Get("Location") != "" {
			t.Errorf("%s: status %d", name, w.Code)
		}
	}
	// A user without a directory role is told which roles can consent, and cannot consent.
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": required})
	member := f.browse(t)
	w := member.signIn(member.get(adminConsentURL("/adminconsent")), carol)
	safePage(t, w)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "AADSTS90094") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w := member.submit(w, "action", "accept"); w.Code == 303 || len(f.permissionGrants(t)) != 0 {
		t.Errorf("status %d, grants %q", w.Code, f.grantSummary(t))
	}
	// An application administrator cannot grant app roles of Microsoft Graph.
	f.update(t, func(tx store.Tx) error {
		return f.Directory.AssignDirectoryRole(tx, tenant, directory.ApplicationAdministrator, carolID)
	})
	if w := member.get(adminConsentURL("/adminconsent")); w.Code != 403 || len(f.permissionGrants(t)) != 0 {
		t.Errorf("status %d", w.Code)
	}
	f.update(t, func(tx store.Tx) error {
		return f.Directory.AssignDirectoryRole(tx, tenant, directory.PrivilegedRoleAdmin, carolID)
	})
	page := member.get(adminConsentURL("/adminconsent"))
	f.update(t, func(tx store.Tx) error {
		return f.Directory.RemoveDirectoryRole(tx, tenant, directory.PrivilegedRoleAdmin, carolID)
	})
	if w := member.accept(page); w.Code != 403 || len(f.permissionGrants(t)) != 0 {
		t.Errorf("after the role was taken away: status %d, grants %q", w.Code, f.grantSummary(t))
	}
	_, values := reply(t, b.submit(b.get(adminConsentURL("/adminconsent")), "action", "cancel"))
	if values.Get("error") != "access_denied" || values.Get("admin_consent") != "" || len(f.permissionGrants(t)) != 0 {
		t.Errorf("%v", values)
	}
}
