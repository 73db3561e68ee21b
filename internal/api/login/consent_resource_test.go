package login_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// TestUndefinedScopesAreRefused requests scopes that a resource with defined scopes does not define.
func TestUndefinedScopesAreRefused(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, apiApp, map[string]string{"api": `{"oauth2PermissionScopes":[
		{"id":"22222222-0000-4000-8000-000000000001","value":"Read","type":"User","isEnabled":true},
		{"id":"22222222-0000-4000-8000-000000000002","value":"Off","type":"User","isEnabled":false}, 7, {"value":"a b"}]}`})
	f.consent(t, webApp, apiApp, carolID, "Read Off Other user_impersonation")
	b := f.browse(t)
	b.signIn(b.get(authorizeURL(authorizeV2)), carol)
	for scope, want := range map[string]string{
		"api://api/Read": "", "api://api/read": "", "api://api/.default": "",
		"api://api/Off": "AADSTS650053", "api://api/Other": "AADSTS650053", "api://api/user_impersonation": "AADSTS650053",
		"Mail.Everything": "AADSTS650053", armAudience + "/Other": "AADSTS650053",
		"https://vault.example/.default": "AADSTS500011", "api://nowhere/Read": "AADSTS500011", origin + "/x": "AADSTS500011",
	} {
		_, values := reply(t, b.get(webAuthorizeURL(scope, "prompt", "none")))
		if want == "" && values.Get("code") == "" || !strings.HasPrefix(values.Get("error_description"), want) {
			t.Errorf("%s: %v", scope, values)
		}
		if want == "" {
			if _, claims := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code")))); claims.Scopes != "Read" {
				t.Errorf("%s: scp %q", scope, claims.Scopes)
			}
		}
	}
}

// TestConsentPagesSanitizeNames has names that imitate other parts of the page.
func TestConsentPagesSanitizeNames(t *testing.T) {
	for name, shown := range map[string]string{
		"\u202eppA neewT\u202c":            "ppA neewT",
		"\u200b\u2060 \u00a0\u3000":        webApp,
		"":                                 webApp,
		"A\u0000B\nC\u2066D\ufeff":         "AB CD",
		"</bdi><form action=//evil.test>":  html.EscapeString("</bdi><form action=//evil.test>"),
		strings.Repeat("x", 500):           strings.Repeat("x", 120) + "…",
		"Microsoft \u2067Azure\u2069  CLI": "Microsoft Azure CLI",
	} {
		f := newFixtureWithoutConsent(t)
		f.update(t, func(tx store.Tx) error {
			a, err := f.Directory.ApplicationByAppID(tx, tenant, webApp)
			a.DisplayName = name
			return errors.Join(err, f.Directory.UpdateApplication(tx, a))
		})
		b := f.browse(t)
		w := b.signIn(b.get(webAuthorizeURL("User.Read")), carol)
		safePage(t, w)
		if !strings.Contains(w.Body.String(), "<strong><bdi>"+shown+"</bdi></strong>") {
			t.Errorf("%q: %s", name, w.Body)
		}
	}
}

// TestApplicationNeedsNoConsentForItself also checks that Azure CLI needs no consent.
func TestApplicationNeedsNoConsentForItself(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	_, values := reply(t, b.signIn(b.get(webAuthorizeURL(webApp+"/.default")), carol))
	if _, claims := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code")))); claims.Audience != webApp || claims.Scopes != "user_impersonation" {
		t.Errorf("claims %v", claims)
	}
	if _, values := reply(t, b.open(authorizeURL(authorizeV2))); values.Get("code") == "" {
		t.Errorf("Azure CLI: %v", values)
	}
	if len(f.permissionGrants(t)) != 0 {
		t.Errorf("grants %q", f.grantSummary(t))
	}
}

// TestCombinedConsent checks that one page asks for the permissions of the client and of its middle tier.
func TestCombinedConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, apiApp, map[string]string{
		"api": `{"knownClientApplications":["` + webApp + `"]}`,
		"requiredResourceAccess": `[{"resourceAppId":"` + directory.ARMAppID + `","resourceAccess":[{"id":"41094075-9dad-400e-a0bd-54e686782033","type":"Scope"}]},
			{"resourceAppId":"` + directory.GraphAppID + `","resourceAccess":[{"id":"c5366453-9fb0-48a5-a156-24f0c49a4b84","type":"Scope"}]}]`,
	})
	b := f.browse(t)
	w := b.signIn(b.get(webAuthorizeURL("api://api/.default")), carol)
	if !strings.Contains(w.Body.String(), "<bdi>API</bdi>, which it calls, at <strong><bdi>Windows Azure Service Management API</bdi>") {
		t.Errorf("page %s", w.Body)
	}
	_, values := reply(t, b.accept(w))
	call, _ := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code"))))
	passing := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {apiApp}, "client_secret": {secret},
		"assertion": {call["access_token"].(string)}, "requested_token_use": {"on_behalf_of"}, "scope": {armAudience + "/.default"},
	}
	if _, claims := f.granted(t, f.post(tokenV2, passing.Encode())); claims.AppID != apiApp || claims.Scopes != "user_impersonation" {
		t.Errorf("claims %v", claims)
	}
	// Permissions that need an administrator are neither requested nor granted.
	f.refused(t, f.post(tokenV2, withChanges(passing, "scope", adminScope)), 400, 65001)
	// A client that is not among knownClientApplications is asked for its own permissions only.
	if w := b.open(authorizeURL(authorizeV2, "client_id", localApp, "scope", "api://api/.default")); !strings.Contains(w.Body.String(), "Permissions requested") || strings.Contains(w.Body.String(), "which it calls") {
		t.Errorf("page %s", w.Body)
	}
}

// TestPreauthorizedClientsNeedNoConsent checks that pre-authorization covers the listed permissions only.
func TestPreauthorizedClientsNeedNoConsent(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	f.setProperties(t, apiApp, map[string]string{"api": `{"oauth2PermissionScopes":[
		{"id":"22222222-0000-4000-8000-000000000001","value":"Read","type":"User","isEnabled":true},
		{"id":"22222222-0000-4000-8000-000000000002","value":"Write","type":"User","isEnabled":true}],
		"preAuthorizedApplications":[{"appId":"` + webApp + `","delegatedPermissionIds":["22222222-0000-4000-8000-000000000001"]}]}`})
	b := f.browse(t)
	b.signIn(b.get(authorizeURL(authorizeV2)), carol)
	for scope, granted := range map[string]bool{"api://api/Read": true, "api://api/.default": true, "api://api/Write": false, "api://api/Read api://api/Write": false, armAudience + "/.default": false} {
		if _, values := reply(t, b.get(webAuthorizeURL(scope, "prompt", "none"))); (values.Get("code") != "") != granted {
			t.Errorf("%s: %v", scope, values)
		}
	}
}

// TestConsentsAreBounded requests more permissions than one consent can record.
func TestConsentsAreBounded(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	b := f.browse(t)
	b.signIn(b.get(authorizeURL(authorizeV2)), alice)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("api://api/%s%03d", strings.Repeat("x", 100), i))
	}
	if _, values := reply(t, b.get(webAuthorizeURL(strings.Join(names, " ")))); values.Get("error") != "invalid_scope" {
		t.Errorf("many permissions: %v", values)
	}
	reply(t, b.accept(b.get(webAuthorizeURL(strings.Join(names[:30], " ")))))
	if w := b.accept(b.get(webAuthorizeURL(strings.Join(names[30:], " ")))); w.Code != 400 || !strings.Contains(w.Body.String(), "AADSTS65005") {
		t.Errorf("many permissions, in two requests: status %d: %s", w.Code, w.Body)
	}
	var listed []string
	for i := range 40 {
		id := fmt.Sprintf("33333333-0000-4000-8000-%012d", i)
		f.update(t, func(tx store.Tx) error {
			return errors.Join(
				f.Directory.CreateApplication(tx, directory.Application{ID: "o" + id, AppID: id, TenantID: tenant, DisplayName: id, Extra: map[string]json.RawMessage{
					"api": json.RawMessage(`{"oauth2PermissionScopes":[{"id":"` + id + `","value":"Read","type":"User","isEnabled":true}]}`),
				}}),
				f.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "sp-" + id, AppID: id, TenantID: tenant, Type: directory.TypeApplication, Enabled: true}),
			)
		})
		listed = append(listed, `{"resourceAppId":"`+id+`","resourceAccess":[{"id":"`+id+`","type":"Scope"}]}`)
	}
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": "[" + strings.Join(listed, ",") + "]"})
	if w := b.get(adminConsentURL("/adminconsent")); w.Code != 400 || !strings.Contains(w.Body.String(), "AADSTS65005") {
		t.Errorf("many resources: status %d: %s", w.Code, w.Body)
	}
	f.setProperties(t, webApp, map[string]string{"requiredResourceAccess": "[" + strings.Join(listed[:13], ",") + "]"})
	if _, values := reply(t, b.accept(b.get(adminConsentURL("/adminconsent")))); values.Get("admin_consent") != "True" {
		t.Errorf("%v", values)
	}
}
