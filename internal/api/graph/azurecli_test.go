package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRequestsOfOtherRecordings sends requests of kinds that the recordings in recording_test.go do not have.
func TestRequestsOfOtherRecordings(t *testing.T) {
	s := newStack(t)
	s.names["domain"] = domain
	s.as(t, "first", "users", `{"userPrincipalName": "graphusertest1@{domain}", "displayName": "graphusertest1", "passwordProfile": {"password": "password-000003", "forceChangePasswordNextSignIn": true}, "mailNickname": "graphusertest", "accountEnabled": true}`)
	s.want(t, 204, "ga", "PATCH", "users/{first}", `{"displayName": "graphusertest4", "passwordProfile": {"password": "password-000003", "forceChangePasswordNextSignIn": true}, "mailNickname": "graphusertestupdate", "accountEnabled": false}`)
	s.as(t, "dollar", "users", `{"userPrincipalName":"#hash@{domain}","displayName":"d","passwordProfile":{"password":"Test1234!!"},"mailNickname":"d","accountEnabled":true}`)
	s.want(t, 200, "ga", "GET", "users/%23hash@{domain}", "")
	s.as(t, "plus", "groups", `{"displayName": "azure-cli-test-group+/", "mailNickname": "deleteme11", "mailEnabled": false, "securityEnabled": true}`)
	s.as(t, "tagged", "applications", `{"displayName":"tagged","tags":["WindowsAzureActiveDirectoryIntegratedApp"],"notes":"n","serviceManagementReference":"r","spa":{"redirectUris":["https://x.test"]}}`)
	s.as(t, "tagged.sp", "servicePrincipals", `{"appId":"{tagged.appid}","tags":["HideApp"]}`)
	for path, want := range map[string]string{
		"groups" + query("$filter", "displayName eq 'azure-cli-test-group+/'"):                               "{plus}",
		"groups?$filter=startswith%28displayName%2C%27azure-cli-test-group%2B%2F%27%29":                      "{plus}",
		"groups" + query("$filter", "not groupTypes/any(c:c eq 'Unified') and securityEnabled eq true"):      "{plus}",
		"applications" + query("$filter", "tags/any(t:t eq 'WindowsAzureActiveDirectoryIntegratedApp')"):     "{tagged}",
		"applications" + query("$filter", "publisherDomain eq '"+domain+"' and startswith(displayName,'t')"): "{tagged}",
		"servicePrincipals" + query("$filter", "tags/any(t:t eq 'HideApp')"):                                 "{tagged.sp}",
		"servicePrincipals" + query("$filter", "appOwnerOrganizationId eq "+tenant):                          "{tagged.sp}",
		"users" + query("$filter", "userType eq 'Member' and startswith(userPrincipalName,'graphuser')"):     "{first}",
		"users" + query("$filter", "accountEnabled eq false"):                                                "{first}",
	} {
		if got := s.want(t, 200, "ga", "GET", path, "").values("id"); strings.Join(got, " ") != s.fill(want) {
			t.Errorf("%s: %v, want %s", path, got, s.fill(want))
		}
	}
	s.want(t, 204, "ga", "POST", "groups/{plus}/members/$ref", ref("first"))
	for path, want := range map[string]string{
		"groups/{plus}/members/$count": "1", "groups/{plus}/owners/$count": "0", "users/{first}/memberOf/$count": "1",
		"applications/{tagged}/owners/$count": "1", "users/{ga}/ownedObjects/$count": "1", "groups/{plus}/transitiveMembers/$count": "1",
	} {
		if w := s.send(t, "ga", "GET", path, "", "ConsistencyLevel: eventual"); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
}

// The Location of a new object is not a URL of the API, but has the form that Microsoft Graph sends.
func TestLocationOfCreatedObjects(t *testing.T) {
	s := populated(t)
	s.names["tenant"] = tenant
	grant := `{"clientId":"{p}","consentType":"AllPrincipals","resourceId":"{graph}","scope":"User.Read"}`
	for _, r := range []struct{ path, body, want string }{
		{"users", `{"accountEnabled":true,"displayName":"x","mailNickname":"x","userPrincipalName":"x@` + domain + `","passwordProfile":{"password":"Test1234!!"}}`, "directoryObjects/{new}/Microsoft.DirectoryServices.User"},
		{"groups", `{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true}`, "directoryObjects/{new}/Microsoft.DirectoryServices.Group"},
		{"applications", `{"displayName":"x"}`, "directoryObjects/{new}/Microsoft.DirectoryServices.Application"},
		{"servicePrincipals/{p}/appRoleAssignments", `{"principalId":"{p}","resourceId":"{graph}","appRoleId":"810c84a8-4a9e-49e6-bf7d-12d183f40d01"}`, "appRoleAssignments/{new}"},
		{"oauth2PermissionGrants", grant, "oauth2PermissionGrants/{new}"},
		{"roleManagement/directory/roleAssignments", `{"principalId":"{u}","roleDefinitionId":"88d8e3e3-8f55-4a1e-953a-9b9898b8876b","directoryScopeId":"/"}`, "roleAssignments/{new}"},
	} {
		w := s.send(t, "ga", "POST", r.path, r.body)
		s.names["new"], _ = decode(t, w)["id"].(string)
		if got, want := w.Header().Get("Location"), s.fill(origin+"/v2/{tenant}/"+r.want); w.Code != 201 || got != want {
			t.Errorf("%s: %d %s, Location %s, want %s", r.path, w.Code, w.Body, got, want)
		}
	}
	for path, body := range map[string]string{"users/{u}/getMemberGroups": `{"securityEnabledOnly":false}`, "applications/{a}/addPassword": `{}`, "directoryObjects/getByIds": `{"ids":[]}`} {
		if w := s.send(t, "ga", "POST", path, body); w.Code != 200 || w.Header().Get("Location") != origin {
			t.Errorf("%s: %d, Location %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	if w := s.send(t, "ga", "POST", "groups/{g}/members/$ref", ref("u")); w.Code != 204 || w.Header().Get("Location") != "" {
		t.Errorf("$ref: %d, Location %s", w.Code, w.Header().Get("Location"))
	}
}

// A service principal repeats what its application says of itself.
func TestServicePrincipalRepeatsItsApplication(t *testing.T) {
	s := populated(t)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"description":"what it is","info":{"supportUrl":"https://x.test/help"},"web":{"homePageUrl":"https://x.test","logoutUrl":"https://x.test/out"}}`)
	p := s.want(t, 200, "ga", "GET", "servicePrincipals/{p}", "")
	info, _ := p["info"].(map[string]any)
	if p["appDescription"] != "what it is" || p["homepage"] != "https://x.test" || p["logoutUrl"] != "https://x.test/out" ||
		info["supportUrl"] != "https://x.test/help" || len(info) != 5 || p["description"] != nil {
		t.Errorf("%v", p)
	}
	s.want(t, 204, "ga", "PATCH", "servicePrincipals/{p}", `{"homepage":"https://own.test","alternativeNames":["one"]}`)
	p = s.want(t, 200, "ga", "GET", "servicePrincipals/{p}", "")
	if names, _ := p["alternativeNames"].([]any); p["homepage"] != "https://own.test" || len(names) != 1 {
		t.Errorf("%v", p)
	}
	for _, body := range []string{`{"appDescription":"x"}`, `{"info":{}}`, `{"alternativeNames":"x"}`, `{"alternativeNames":[""]}`} {
		s.want(t, 400, "ga", "PATCH", "servicePrincipals/{p}", body)
	}
	// Those of a managed identity decide which resource it belongs to.
	s.want(t, 400, "ga", "PATCH", "servicePrincipals/{nobody}", `{"alternativeNames":["isExplicit=True","/subscriptions/x"]}`)
	if got := s.want(t, 200, "ga", "GET", "servicePrincipals/{nobody}", ""); got["info"] != nil || got["appDescription"] != nil || got["homepage"] != nil {
		t.Errorf("%v", got)
	}
}

// TestLogoutURLsAreAddressesOfSites sets addresses that a browser could not be sent to at a sign-out.
func TestLogoutURLsAreAddressesOfSites(t *testing.T) {
	s := populated(t)
	for _, uri := range []string{"javascript:alert(1)", "data:text/html,x", "myapp://out", "http://x.test/out", "https://u@x.test/", "https://x.test/#out", "//x.test/out", "out", `https://x.test/"><script>`} {
		body, err := json.Marshal(map[string]any{"web": map[string]any{"logoutUrl": uri}})
		if err != nil {
			t.Fatal(err)
		}
		s.want(t, 400, "ga", "PATCH", "applications/{a}", string(body))
	}
	s.want(t, 400, "ga", "PATCH", "applications/{a}", `{"web":{"logoutUrl":5}}`)
	for _, given := range []string{`"https://x.test/out?a=b"`, `"http://localhost:8080/out"`, `""`, `null`} {
		s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"web":{"logoutUrl":`+given+`}}`)
	}
}
