package witness_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"
)

const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// tokenFor is the application's token for an audience, or "" where it gets none.
func (r registered) tokenFor(t *testing.T, w *world, audience string) string {
	t.Helper()
	got := w.form(t, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {r.client}, "client_secret": {r.secret}, "scope": {audience + "/.default"},
	})
	return got.text("access_token")
}

// asked sends a request that must succeed, as the administrator or with another token.
func (w *world) asked(t *testing.T, method, path, body string, bearer ...string) answer {
	t.Helper()
	a := w.arm(t, method, path, body, bearer...)
	if a.status >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, a.status, a.body)
	}
	return a
}

// form posts to the token endpoint.
func (w *world) form(t *testing.T, values url.Values) answer {
	t.Helper()
	resp, err := w.guard.PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", values)
	check(t, err)
	defer resp.Body.Close()
	var a answer
	a.status = resp.StatusCode
	check(t, json.NewDecoder(resp.Body).Decode(&a.body))
	return a
}

// The owner of an application can define any app roles and get them in tokens for the application. No
// identifier URI that the application can have is accepted by Graph.
func TestApplicationOwnerCannotUseItsAppRolesAtGraph(t *testing.T) {
	w := start(t)
	attacker := w.application(t, "attacker")
	graph := w.Token(t, "https://graph.microsoft.com")
	path := "/v1.0/applications(appId='" + attacker.client + "')"
	w.asked(t, "POST", "/v1.0/servicePrincipals/"+attacker.principal+"/owners/$ref", `{"@odata.id":"https://x/directoryObjects/`+attacker.principal+`"}`, graph)
	app := w.arm(t, "GET", path, "", graph)
	w.asked(t, "POST", "/v1.0/applications/"+app.text("id")+"/owners/$ref", `{"@odata.id":"https://x/directoryObjects/`+attacker.principal+`"}`, graph)
	own := attacker.tokenFor(t, w, "https://graph.microsoft.com")
	const role = "5a5a5a5a-0000-4000-8000-0000000000aa"
	w.asked(t, "PATCH", path, `{"appRoles":[{"id":"`+role+`","value":"RoleManagement.ReadWrite.Directory","displayName":"x","description":"x","allowedMemberTypes":["Application"],"isEnabled":true}]}`, own)
	w.asked(t, "POST", "/v1.0/servicePrincipals/"+attacker.principal+"/appRoleAssignments",
		fmt.Sprintf(`{"principalId":%q,"resourceId":%[1]q,"appRoleId":%q}`, attacker.principal, role), graph)
	promote := fmt.Sprintf(`{"principalId":%q,"roleDefinitionId":%q,"directoryScopeId":"/"}`, attacker.principal, globalAdministrator)
	for _, uri := range []string{w.Endpoint, w.Endpoint + "/", w.Endpoint + "/v1.0", "https://graph.microsoft.com", "https://graph.microsoft.com:443", "https://vault.azure.net"} {
		for _, token := range []string{own, graph} { // not even an administrator may give it away
			if got := w.arm(t, "PATCH", path, fmt.Sprintf(`{"identifierUris":[%q]}`, uri), token); got.status != 400 {
				t.Errorf("identifier URI %s: %d %v", uri, got.status, got.body)
			}
		}
		if token := attacker.tokenFor(t, w, uri); token != "" {
			if got := w.arm(t, "POST", "/v1.0/roleManagement/directory/roleAssignments", promote, token); got.status != 401 && got.status != 403 {
				t.Errorf("a token for %s: %d %v", uri, got.status, got.body)
			}
		}
	}
	w.asked(t, "PATCH", path, `{"identifierUris":["api://`+attacker.client+`"]}`, own)
	token := attacker.tokenFor(t, w, "api://"+attacker.client)
	if got := w.arm(t, "POST", "/v1.0/roleManagement/directory/roleAssignments", promote, token); got.status != 401 {
		t.Errorf("a token for the application itself: %d %v", got.status, got.body)
	}
}

// User.ReadWrite.All cannot reset passwords, and a principal that may reset passwords cannot reset an Owner's.
func TestPasswordsOfSubscriptionOwnersAreProtected(t *testing.T) {
	w := start(t)
	graph := w.Token(t, "https://graph.microsoft.com")
	made := w.arm(t, "POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"Olga","mailNickname":"olga","userPrincipalName":"olga@midas.localhost","passwordProfile":{"password":"Correct-horse-1"}}`, graph)
	if made.status != 201 {
		t.Fatal(made)
	}
	principals := w.arm(t, "GET", "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')", "", graph)
	with := func(name, role string) string {
		app := w.application(t, name)
		w.asked(t, "POST", "/v1.0/servicePrincipals/"+app.principal+"/appRoleAssignments",
			fmt.Sprintf(`{"principalId":%q,"resourceId":%q,"appRoleId":%q}`, app.principal, principals.text("id"), role), graph)
		return app.tokenFor(t, w, "https://graph.microsoft.com")
	}
	users, passwords := with("users", "741f803b-c850-494e-b5df-cde7c675a1ca"), with("passwords", "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7")
	reset := func(token string) int {
		return w.arm(t, "PATCH", "/v1.0/users/olga@midas.localhost", `{"passwordProfile":{"password":"Stolen-horse-1"}}`, token).status
	}
	if got := reset(users); got != 403 {
		t.Errorf("User.ReadWrite.All resets a password: %d", got)
	}
	if got := reset(passwords); got != 204 {
		t.Errorf("User-PasswordProfile.ReadWrite.All does not: %d", got)
	}
	w.asked(t, "PUT", w.scope()+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01",
		fmt.Sprintf(`{"properties":{"principalId":%q,"roleDefinitionId":%q}}`, made.text("id"), w.role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")))
	if got := reset(passwords); got != 403 {
		t.Errorf("an Owner's password is reset: %d", got)
	}
	if got := reset(graph); got != 204 {
		t.Errorf("a Global Administrator may not: %d", got)
	}
}

// ARM refuses to delete the tenant's last Global Administrator, with an error in ARM's format.
func TestARMRefusesToEndTheLastAdministrator(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	graph := w.Token(t, "https://graph.microsoft.com")
	const assignments = "/v1.0/roleManagement/directory/roleAssignments"
	w.asked(t, "POST", assignments, fmt.Sprintf(`{"principalId":%q,"roleDefinitionId":%q,"directoryScopeId":"/"}`, *app.Properties.PrincipalID, globalAdministrator), graph)
	a := w.agent(t, w.vm(t, "web", *app.ID))
	own, reason := imds(t, a, "https://graph.microsoft.com", "")
	if own == "" {
		t.Fatal(reason)
	}
	all := w.arm(t, "GET", assignments, "", own)
	list, _ := all.body["value"].([]any)
	for _, one := range list {
		entry := one.(map[string]any)
		if entry["principalId"] != *app.Properties.PrincipalID && entry["roleDefinitionId"] == globalAdministrator {
			w.asked(t, "DELETE", assignments+"/"+entry["id"].(string), "", own)
		}
	}
	for _, target := range []string{*app.ID + "?api-version=2023-01-31", w.scope() + "/resourceGroups/rg?api-version=2021-04-01"} {
		got := w.arm(t, "DELETE", target, "")
		if got.status != 409 || got.text("error", "code") != "CannotDeleteLastGlobalAdministrator" {
			t.Errorf("DELETE %s: %d %v", target, got.status, got.body)
		}
		if again := w.arm(t, "GET", *app.ID+"?api-version=2023-01-31", ""); again.status != 200 {
			t.Errorf("after DELETE %s the identity is %d", target, again.status)
		}
	}
}
