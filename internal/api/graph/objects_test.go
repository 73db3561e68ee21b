package graph_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

func TestUserLifecycle(t *testing.T) {
	s := newStack(t)
	s.user(t, "ann")
	signIn := func(password string) error {
		_, err := s.directory.AuthenticateUser(t.Context(), tenant, "ANN@midas.test", directory.PasswordText(password), throttle.Waiter{})
		return err
	}
	must(t, signIn("Test1234!!"))
	s.want(t, 204, "ga", "PATCH", "users/ann@midas.test", `{"jobTitle":"Lead","businessPhones":["+1 555"],"mobilePhone":null,"city":"Oslo"}`)
	a := s.want(t, 200, "member", "GET", "users('ann@midas.test')?$select=jobTitle,businessPhones,mobilePhone,city,userType,passwordProfile", "")
	delete(a, "@odata.context")
	want := answer{"jobTitle": "Lead", "businessPhones": []any{"+1 555"}, "mobilePhone": nil, "city": "Oslo", "userType": "Member", "passwordProfile": nil}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	s.want(t, 204, "ga", "PATCH", "users/{ann}", `{"passwordProfile":{"password":"Other-1234","forceChangePasswordNextSignIn":true}}`)
	if signIn("Test1234!!") == nil || signIn("Other-1234") != nil {
		t.Error("the password was not replaced")
	}
	s.want(t, 204, "ga", "PATCH", "users/{ann}", `{"userPrincipalName":"anna@midas.test"}`)
	s.want(t, 404, "ga", "GET", "users/ann@midas.test", "")
	s.want(t, 200, "ga", "GET", "users/Anna@Midas.test", "")
	s.want(t, 204, "ga", "DELETE", "users/anna@midas.test", "")
	s.want(t, 404, "ga", "GET", "users/{ann}", "")
	s.want(t, 204, "ga", "DELETE", "directory/deletedItems/{ann}", "") // deletions are permanent, so the purge succeeds
	s.want(t, 404, "ga", "DELETE", "directory/deletedItems/{ga}", "")
	s.user(t, "ann") // the name is free again
}

func TestUsersChangeTheirOwnPassword(t *testing.T) {
	s := newStack(t)
	s.user(t, "ann")
	c := s.callers["member"]
	c.ObjectID, c.Subject = s.names["ann"], s.names["ann"]
	s.callers["ann"] = c
	s.want(t, 400, "ann", "POST", "me/changePassword", `{"currentPassword":"wrong","newPassword":"Next-12345"}`)
	s.want(t, 400, "ann", "POST", "me/changePassword", `{"currentPassword":"Test1234!!","newPassword":"weak"}`)
	s.want(t, 400, "ann", "POST", "me/changePassword", `{"newPassword":"Next-12345"}`)
	s.want(t, 403, "ga", "POST", "users/{ann}/changePassword", `{"currentPassword":"Test1234!!","newPassword":"Next-12345"}`)
	s.want(t, 204, "ann", "POST", "me/changePassword", `{"currentPassword":"Test1234!!","newPassword":"Next-12345"}`)
	_, err := s.directory.AuthenticateUser(t.Context(), tenant, "ann@midas.test", "Next-12345", throttle.Waiter{})
	must(t, err)
}

func TestInvalidBodiesAreRefused(t *testing.T) {
	s := populated(t)
	user := func(change string) string {
		return `{"accountEnabled":true,"displayName":"x","mailNickname":"x","userPrincipalName":"x@midas.test","passwordProfile":{"password":"Test1234!!"},` + change + `}`
	}
	key := `"type":"AsymmetricX509Cert","usage":"Verify"`
	for _, test := range []struct{ method, path, body string }{
		{"POST", "users", `{}`},
		{"POST", "users", user(`"displayName":null`)},
		{"POST", "users", user(`"passwordProfile":null`)},
		{"POST", "users", user(`"passwordProfile":{"password":"short"}`)},
		{"POST", "users", user(`"passwordProfile":{"password":""}`)},
		{"POST", "users", user(`"passwordProfile":{"password":7}`)},
		{"POST", "users", user(`"userPrincipalName":"x"`)},
		{"POST", "users", user(`"userPrincipalName":"x@elsewhere.test"`)},
		{"POST", "users", user(`"userPrincipalName":"a b@midas.test"`)},
		{"POST", "users", user(`"userPrincipalName":"a/b@midas.test"`)},
		{"POST", "users", user(`"userPrincipalName":"U@MIDAS.test"`)}, // taken
		{"POST", "users", user(`"id":"00000000-0000-4000-8000-000000000000"`)},
		{"POST", "users", user(`"nonsense":1`)},
		{"POST", "users", user(`"jobTitle":7`)},
		{"POST", "users", user(`"jobTitle":"` + strings.Repeat("x", 129) + `"`)},
		{"POST", "users", user(`"jobTitle":"a\u0000b"`)},
		{"POST", "users", user(`"businessPhones":["1","2"]`)},
		{"POST", "users", user(`"userType":"Guest"`)},
		{"POST", "users", user(`"city":"` + strings.Repeat("x", 17<<10) + `"`)},
		{"PATCH", "users/{u}", `{"userPrincipalName":"ga@midas.test"}`},
		{"POST", "groups", `{"displayName":"x","mailNickname":"x","mailEnabled":true,"securityEnabled":true}`},
		{"POST", "groups", `{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true,"groupTypes":["Unified"]}`},
		{"POST", "groups", `{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true,"members@odata.bind":["x"]}`},
		{"POST", "groups", `{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true,"members@odata.bind":"x"}`},
		{"POST", "groups/{g}/members/$ref", `{}`},
		{"POST", "groups/{g}/members/$ref", `{"@odata.id":7}`},
		{"POST", "groups/{g}/members/$ref", ref("g")},
		{"POST", "groups/{g}/members/$ref", ref("a")},
		{"POST", "groups/{g}/owners/$ref", ref("g")},
		{"POST", "applications", `{}`},
		{"POST", "applications", `{"displayName":"x","identifierUris":["nonsense"]}`},
		{"POST", "applications", `{"displayName":"x","identifierUris":["api://x","api://x"]}`},
		{"POST", "applications", `{"displayName":"x","identifierUris":["https://graph.microsoft.com"]}`},
		{"POST", "applications", `{"displayName":"x","identifierUris":["https://Management.Azure.com/"]}`},
		{"POST", "applications", `{"displayName":"x","appId":"00000000-0000-4000-8000-000000000000"}`},
		{"POST", "applications", `{"displayName":"x","passwordCredentials":[{"displayName":"x"}]}`},
		{"POST", "applications", `{"displayName":"x","signInAudience":"Everyone"}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["http://elsewhere.test"]}}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["https://x/#frag"]}}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["https://*.x.test/"]}}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["https://x.test;script-src"]}}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["https://x.test,y/"]}}`},
		{"PATCH", "applications/{a}", `{"spa":{"redirectUris":["https://'none'/"]}}`},
		{"PATCH", "applications/{a}", `{"publicClient":{"redirectUris":["https://x.test;y"]}}`},
		{"PATCH", "applications/{a}", `{"publicClient":{"redirectUris":["myapp://x\"y"]}}`},
		{"PATCH", "applications/{a}", `{"spa":{"redirectUris":["myapp://x"]}}`},
		{"PATCH", "applications/{a}", `{"publicClient":{"redirectUris":["javascript:alert(1)"]}}`},
		{"PATCH", "applications/{a}", `{"publicClient":{"redirectUris":["http://elsewhere.test"]}}`},
		{"PATCH", "applications/{a}", `{"web":{"nonsense":1}}`},
		{"PATCH", "applications/{a}", `{"web":7}`},
		{"PATCH", "applications/{a}", `{"api":{"requestedAccessTokenVersion":3}}`},
		{"PATCH", "applications/{a}", `{"tags":"x"}`},
		{"PATCH", "applications/{a}", `{"appRoles":[{"id":"x","allowedMemberTypes":["User"]}]}`},
		{"PATCH", "applications/{a}", `{"appRoles":[{"id":"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9","allowedMemberTypes":["Robot"]}]}`},
		{"PATCH", "applications/{a}", `{"appRoles":[{"id":"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9","allowedMemberTypes":["User"],"value":"a b"}]}`},
		{"PATCH", "applications/{a}", `{"keyCredentials":[{` + key + `}]}`},
		{"PATCH", "applications/{a}", `{"keyCredentials":[{` + key + `,"key":"!"}]}`},
		{"PATCH", "applications/{a}", `{"keyCredentials":[{` + key + `,"key":"AAAA"}]}`},
		{"PATCH", "applications/{a}", `{"keyCredentials":[{"type":"Symmetric","usage":"Sign","key":"AAAA"}]}`},
		{"POST", "applications/{a}/addPassword", `{"passwordCredential":{"endDateTime":"yesterday"}}`},
		{"POST", "applications/{a}/addPassword", `{"passwordCredential":{"startDateTime":"2030-01-01T00:00:00Z","endDateTime":"2029-01-01T00:00:00Z"}}`},
		{"POST", "applications/{a}/removePassword", `{}`},
		{"POST", "applications/{a}/removePassword", `{"keyId":"00000000-0000-4000-8000-000000000000"}`},
		{"POST", "servicePrincipals", `{}`},
		{"POST", "servicePrincipals", `{"appId":"00000000-0000-4000-8000-000000000000"}`},
		{"PATCH", "servicePrincipals/{p}", `{"displayName":"other"}`},
		{"DELETE", "servicePrincipals/{nobody}", ``}, // of a managed identity
		{"POST", "servicePrincipals/{p}/appRoleAssignments", `{"principalId":"{u}","resourceId":"{nobody}","appRoleId":"00000000-0000-0000-0000-000000000000"}`},
		{"POST", "servicePrincipals/{p}/appRoleAssignments", `{"principalId":"{p}","resourceId":"{graph}","appRoleId":"00000000-0000-4000-8000-000000000000"}`},
		{"POST", "users/{u}/appRoleAssignments", `{"principalId":"{u}","resourceId":"{graph}","appRoleId":"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"}`}, // for applications only
		{"POST", "directoryObjects/getByIds", `{}`},
		{"POST", "directoryObjects/getByIds", `{"ids":["x"]}`},
		{"POST", "users/{u}/checkMemberGroups", `{"groupIds":["` + strings.Repeat(`00000000-0000-4000-8000-000000000000","`, 20) + `00000000-0000-4000-8000-000000000000"]}`},
		{"POST", "roleManagement/directory/roleAssignments", `{"principalId":"{u}","roleDefinitionId":"` + directory.DirectoryReaders + `","directoryScopeId":"/x"}`},
		{"POST", "directoryRoles/" + directory.DirectoryReaders + "/members/$ref", ref("g")},
	} {
		if got := s.want(t, 400, "ga", test.method, test.path, test.body).error(); got == "" {
			t.Errorf("%s %s %s: no code", test.method, test.path, test.body)
		}
	}
	s.want(t, 409, "ga", "POST", "servicePrincipals", `{"appId":"{a.appid}"}`)
	s.want(t, 404, "ga", "POST", "groups/{g}/members/$ref", `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/00000000-0000-4000-8000-000000000000"}`)
	if got := s.want(t, 200, "ga", "GET", "users/{u}", "")["userPrincipalName"]; got != "u@midas.test" {
		t.Error(got)
	}
}

func TestNestedAndCyclicGroups(t *testing.T) {
	s := newStack(t)
	s.user(t, "u")
	for _, g := range []string{"outer", "middle", "inner"} {
		s.group(t, g)
	}
	for _, link := range [][2]string{{"outer", "middle"}, {"middle", "inner"}, {"inner", "u"}, {"inner", "outer"}, {"inner", "nobody"}} {
		s.want(t, 204, "ga", "POST", "groups/{"+link[0]+"}/members/$ref", ref(link[1]))
	}
	if got := s.send(t, "ga", "POST", "groups/{inner}/members/$ref", ref("u")); got.Code != 400 || !strings.Contains(got.Body.String(), "One or more added object references already exist") {
		t.Errorf("a member twice: %d %s", got.Code, got.Body)
	}
	check := func(path string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, sorted(s.want(t, 200, "ga", "GET", path, "").values("displayName"))); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	check("groups/{inner}/members", "nobody", "outer", "u")
	check("groups/{inner}/members/microsoft.graph.user", "u")
	check("groups/{inner}/members/microsoft.graph.servicePrincipal", "nobody")
	check("groups/{outer}/transitiveMembers", "inner", "middle", "nobody", "u")
	check("groups/{outer}/transitiveMembers/microsoft.graph.group", "inner", "middle")
	check("users/{u}/memberOf", "inner")
	check("users/{u}/transitiveMemberOf", "inner", "middle", "outer")
	check("servicePrincipals/{nobody}/transitiveMemberOf/microsoft.graph.group?$select=displayName", "inner", "middle", "outer")
	groups := s.want(t, 200, "ga", "POST", "users/{u}/getMemberGroups", `{"securityEnabledOnly":true}`).values("")
	if len(groups) != 3 {
		t.Error(groups)
	}
	got := s.want(t, 200, "ga", "POST", "directoryObjects/{u}/microsoft.graph.checkMemberGroups", `{"groupIds":["{outer}","{ga}"]}`).values("")
	if !slices.Equal(got, []string{s.names["outer"]}) {
		t.Error(got)
	}
	s.want(t, 204, "ga", "DELETE", "groups/{middle}", "")
	check("users/{u}/transitiveMemberOf", "inner")
	check("groups/{outer}/members", []string{}...)
	s.want(t, 404, "ga", "DELETE", "groups/{outer}/members/{u}/$ref", "")
}

func TestGroupsAreCreatedWithMembersAndOwners(t *testing.T) {
	s := newStack(t)
	var refs []string
	for i := range 20 {
		name := fmt.Sprintf("g%d", i)
		s.group(t, name)
		refs = append(refs, fmt.Sprintf(`"https://graph.microsoft.com/v1.0/directoryObjects/{%s}"`, name))
	}
	s.as(t, "big", "groups", `{"displayName":"big","mailNickname":"big","mailEnabled":false,"securityEnabled":true,"isAssignableToRole":false,
		"members@odata.bind":[`+strings.Join(refs, ",")+`],"owners@odata.bind":["https://graph.microsoft.com/v1.0/users/{ga}","https://graph.microsoft.com/v1.0/directoryObjects('{member}')"]}`)
	if got := s.want(t, 200, "ga", "GET", "groups/{big}/members", "").values("id"); len(got) != 20 {
		t.Errorf("%d members", len(got))
	}
	if got := s.want(t, 200, "ga", "GET", "groups/{big}/owners", "").values("displayName"); !slices.Equal(sorted(got), []string{"ga", "member"}) {
		t.Error(got)
	}
	names, sizes := s.pages(t, "groups/{big}/members?$top=9")
	if len(names) != 20 || !slices.Equal(sizes, []int{9, 9, 2}) {
		t.Errorf("%v %v", names, sizes)
	}
}

func TestSecretTextIsReturnedOnceAndAuthenticates(t *testing.T) {
	s := populated(t)
	made := s.want(t, 200, "ga", "POST", "applications/{a}/addPassword", `{"passwordCredential":{"displayName":"ci"}}`)
	secret := directory.SecretText(made["secretText"].(string))
	if _, err := s.directory.Authenticate(t.Context(), tenant, s.names["a.appid"], secret); err != nil {
		t.Fatal(err)
	}
	a := s.want(t, 200, "ga", "GET", "applications(appId='{a.appid}')", "")
	kept := a["passwordCredentials"].([]any)[0].(map[string]any)
	want := map[string]any{
		"customKeyIdentifier": nil, "displayName": "ci", "hint": string(secret[:3]), "keyId": made["keyId"], "secretText": nil,
		"startDateTime": made["startDateTime"], "endDateTime": made["endDateTime"],
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Error(diff)
	}
	if w := s.send(t, "ga", "GET", "applications/{a}", ""); strings.Contains(w.Body.String(), string(secret)) {
		t.Error("a later response contains the secret")
	}
	s.want(t, 204, "ga", "POST", "applications/{a}/removePassword", fmt.Sprintf(`{"keyId":%q}`, made["keyId"]))
	if _, err := s.directory.Authenticate(t.Context(), tenant, s.names["a.appid"], secret); err == nil {
		t.Error("the removed secret still works")
	}
	for range 20 {
		s.want(t, 200, "ga", "POST", "applications/{a}/addPassword", `{}`)
	}
	s.want(t, 400, "ga", "POST", "applications/{a}/addPassword", `{}`)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"passwordCredentials":[]}`)
	if got := s.want(t, 200, "ga", "GET", "applications/{a}", "")["passwordCredentials"].([]any); len(got) != 0 {
		t.Error(got)
	}
}

func TestCertificatesAreSetAsAWholeList(t *testing.T) {
	s := populated(t)
	list := func() []any { return s.want(t, 200, "ga", "GET", "applications/{a}", "")["keyCredentials"].([]any) }
	entry := func(der []byte) string {
		return `{"type":"AsymmetricX509Cert","usage":"Verify","key":"` + base64.StdEncoding.EncodeToString(der) + `"}`
	}
	one, two := certificate(t, "one"), certificate(t, "two")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"keyCredentials":[`+entry(one)+`]}`)
	first := list()[0].(map[string]any)
	if first["displayName"] != "CN=one" || first["keyId"] == "" || first["key"] != nil {
		t.Errorf("%v", first)
	}
	keep := fmt.Sprintf(`{"type":"AsymmetricX509Cert","usage":"Verify","key":null,"keyId":%q}`, first["keyId"])
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"keyCredentials":[`+keep+`,`+entry(two)+`]}`)
	if got := list(); len(got) != 2 {
		t.Errorf("%v", got)
	}
	s.want(t, 400, "ga", "PATCH", "applications/{a}", `{"keyCredentials":[`+entry(one)+`,`+entry(one)+`]}`)
	s.want(t, 400, "ga", "PATCH", "applications/{a}", `{"keyCredentials":[{"type":"AsymmetricX509Cert","usage":"Verify","endDateTime":"2999-01-01T00:00:00Z","key":"`+base64.StdEncoding.EncodeToString(one)+`"}]}`)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"keyCredentials":[]}`)
	if got := list(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestPatchChangesOnlyNamedProperties(t *testing.T) {
	s := populated(t)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"web":{"redirectUris":["https://x.test/cb"],"homePageUrl":"https://x.test"},"tags":["one"],"optionalClaims":{"idToken":[]},"isFallbackPublicClient":true,"api":{"requestedAccessTokenVersion":2}}`)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"web":{"logoutUrl":"https://x.test/out","implicitGrantSettings":{"enableIdTokenIssuance":true}},"displayName":"renamed"}`)
	a := s.want(t, 200, "ga", "GET", "applications/{a}?$select=web,tags,optionalClaims,isFallbackPublicClient,api,displayName", "")
	want := answer{
		"@odata.context": a["@odata.context"], "displayName": "renamed", "tags": []any{"one"}, "optionalClaims": map[string]any{"accessToken": []any{}, "idToken": []any{}, "saml2Token": []any{}}, "isFallbackPublicClient": true,
		"web": map[string]any{
			"homePageUrl": "https://x.test", "logoutUrl": "https://x.test/out", "redirectUris": []any{"https://x.test/cb"},
			"implicitGrantSettings": map[string]any{"enableIdTokenIssuance": true},
			"redirectUriSettings":   []any{map[string]any{"uri": "https://x.test/cb", "index": nil}},
		},
		"api": map[string]any{"acceptMappedClaims": nil, "knownClientApplications": []any{}, "oauth2PermissionScopes": []any{}, "preAuthorizedApplications": []any{}, "requestedAccessTokenVersion": 2.0},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	if got := s.want(t, 200, "ga", "GET", "servicePrincipals/{p}", "")["displayName"]; got != "renamed" {
		t.Errorf("the display name of the principal is %v", got)
	}
}

func TestIdentifierURIsBelongToOneApplication(t *testing.T) {
	s := populated(t)
	s.app(t, "b")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":["api://one","api://two"]}`)
	s.want(t, 400, "ga", "PATCH", "applications/{b}", `{"identifierUris":["API://two"]}`)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":["api://one"]}`)
	s.want(t, 204, "ga", "PATCH", "applications/{b}", `{"identifierUris":["api://two"]}`)
	s.want(t, 204, "ga", "DELETE", "applications/{b}", "")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":["api://two"]}`)
	s.want(t, 404, "ga", "GET", "servicePrincipals/{b.sp}", "") // it was deleted with its application
}

const (
	writerRole = "d1c2ade8-0000-4000-8000-6d06b947c66f"
	readerRole = "d1c2ade8-0000-4000-8000-6d06b947c660"
)

func TestAssignedAppRolesAreInTokens(t *testing.T) {
	s := populated(t)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":["api://files"],"appRoles":[
		{"id":"`+writerRole+`","value":"Files.Write","displayName":"w","description":"w","allowedMemberTypes":["Application","User"],"isEnabled":true},
		{"id":"`+readerRole+`","value":"Files.Read","displayName":"r","description":"r","allowedMemberTypes":["User"],"isEnabled":true}]}`)
	roles := func(who string) []string {
		t.Helper()
		values, err := s.directory.AppRoles(t.Context(), tenant, s.names[who], "api://files")
		must(t, err)
		return values
	}
	body := func(who, role string) string {
		return `{"principalId":"{` + who + `}","resourceId":"{p}","appRoleId":"` + role + `"}`
	}
	made := s.want(t, 201, "ga", "POST", "servicePrincipals/{nobody}/appRoleAssignments", body("nobody", writerRole))
	if made["principalType"] != "ServicePrincipal" || made["principalDisplayName"] != "nobody" || made["resourceDisplayName"] != "a" {
		t.Errorf("%v", made)
	}
	s.names["assignment"] = made["id"].(string)
	s.want(t, 400, "ga", "POST", "servicePrincipals/{p}/appRoleAssignedTo", body("nobody", writerRole)) // the assignment exists
	s.want(t, 400, "ga", "POST", "servicePrincipals/{p}/appRoleAssignedTo", body("nobody", readerRole)) // the role is for users only
	s.want(t, 201, "ga", "POST", "servicePrincipals/{p}/appRoleAssignedTo", body("g", readerRole))
	s.want(t, 204, "ga", "POST", "groups/{g}/members/$ref", ref("u"))
	if !slices.Equal(roles("nobody"), []string{"Files.Write"}) || !slices.Equal(roles("u"), []string{"Files.Read"}) || roles("member") != nil {
		t.Errorf("%v %v %v", roles("nobody"), roles("u"), roles("member"))
	}
	if got := s.want(t, 200, "ga", "GET", "servicePrincipals/{p}/appRoleAssignedTo", "").values("principalDisplayName"); !slices.Equal(sorted(got), []string{"g", "nobody"}) {
		t.Error(got)
	}
	got := s.want(t, 200, "ga", "GET", "servicePrincipals/{nobody}/appRoleAssignments"+query("$filter", "resourceId eq "+s.names["p"]), "")
	if diff := cmp.Diff([]string{writerRole}, got.values("appRoleId")); diff != "" {
		t.Error(diff)
	}
	s.want(t, 200, "ga", "GET", "servicePrincipals/{p}/appRoleAssignedTo/{assignment}", "")
	s.want(t, 204, "ga", "DELETE", "servicePrincipals/{p}/appRoleAssignedTo/{assignment}", "")
	s.want(t, 404, "ga", "DELETE", "servicePrincipals/{nobody}/appRoleAssignments/{assignment}", "")
	if roles("nobody") != nil {
		t.Error("the token has an app role whose assignment was removed")
	}
	s.want(t, 204, "ga", "DELETE", "groups/{g}", "")
	if roles("u") != nil {
		t.Error("the token has an app role of a deleted group")
	}
	if got := s.want(t, 200, "ga", "GET", "servicePrincipals/{p}/appRoleAssignedTo", "").values("id"); len(got) != 0 {
		t.Error(got)
	}
}

func TestDeletionRemovesAllKeys(t *testing.T) {
	s := populated(t)
	before := s.rows(t)
	s.user(t, "gone")
	s.group(t, "club")
	s.app(t, "tool")
	for i := range 60 { // more links than one transaction removes
		name := fmt.Sprintf("m%d", i)
		s.update(t, func(tx store.Tx) error {
			id := fmt.Sprintf("00000000-0000-4000-9000-%012d", i)
			s.names[name] = id
			if err := s.directory.CreateGroup(tx, directory.Group{ID: id, TenantID: tenant, DisplayName: name, Created: time.Now()}); err != nil {
				return err
			}
			return s.directory.AddMember(tx, tenant, s.names["club"], id)
		})
	}
	for _, r := range [][2]string{
		{"groups/{club}/members/$ref", ref("gone")}, {"groups/{club}/owners/$ref", ref("gone")}, {"groups/{club}/members/$ref", ref("tool.sp")},
		{"applications/{tool}/owners/$ref", ref("gone")}, {"directoryRoles/" + directory.DirectoryReaders + "/members/$ref", ref("gone")},
	} {
		s.want(t, 204, "ga", "POST", r[0], r[1])
	}
	s.want(t, 201, "ga", "POST", "users/{gone}/appRoleAssignments", `{"principalId":"{gone}","resourceId":"{tool.sp}","appRoleId":"00000000-0000-0000-0000-000000000000"}`)
	s.want(t, 204, "ga", "DELETE", "groups/{club}", "")
	s.want(t, 204, "ga", "DELETE", "applications/{tool}", "")
	s.want(t, 204, "ga", "DELETE", "users/{gone}", "")
	for i := range 60 {
		s.want(t, 204, "ga", "DELETE", fmt.Sprintf("groups/{m%d}", i), "")
	}
	if diff := cmp.Diff(before, s.rows(t)); diff != "" {
		t.Error(diff)
	}
}

// rows returns all keys of the directory.
func (s *stack) rows(t *testing.T) []string {
	t.Helper()
	var keys []string
	must(t, s.store.View(t.Context(), func(tx store.Tx) error {
		keys = nil
		for rec, err := range tx.Scan(store.Range{Prefix: "d/"}) {
			if err != nil {
				return err
			}
			keys = append(keys, rec.Key)
		}
		return nil
	}))
	return keys
}

func TestOrganizationAndDomains(t *testing.T) {
	s := newStack(t)
	a := s.want(t, 200, "nobody", "GET", "organization", "")["value"].([]any)[0].(map[string]any)
	if a["id"] != tenant || a["displayName"] != "Test" || a["verifiedDomains"].([]any)[0].(map[string]any)["name"] != domain {
		t.Errorf("%v", a)
	}
	if got := s.want(t, 200, "nobody", "GET", "domains", "").values("id"); !slices.Equal(got, []string{domain}) {
		t.Error(got)
	}
	if got := s.want(t, 200, "ga", "GET", "directoryRoles(roleTemplateId='"+directory.GlobalAdministrator+"')/members", "").values("displayName"); !slices.Equal(got, []string{"ga"}) {
		t.Error(got)
	}
}

// TestCreationIsRefusedAfterTooManyRevocations checks the answer while so many tokens are revoked that nothing is
// created.
func TestCreationIsRefusedAfterTooManyRevocations(t *testing.T) {
	s := newStack(t)
	s.user(t, "ann")
	app := s.want(t, 201, "ga", "POST", "applications", `{"displayName":"a"}`)
	s.want(t, 204, "ga", "DELETE", "users/{ann}", "")
	s.directory.MaxRevocations = 1
	for path, body := range map[string]string{
		"users":             `{"accountEnabled":true,"displayName":"b","mailNickname":"b","userPrincipalName":"b@midas.test","passwordProfile":{"password":"Test1234!!"}}`,
		"servicePrincipals": `{"appId":"` + app["appId"].(string) + `"}`,
	} {
		if got := s.want(t, 429, "ga", "POST", path, body); got["error"].(map[string]any)["code"] != "TooManyRequests" {
			t.Errorf("%s: %v", path, got)
		}
	}
}
