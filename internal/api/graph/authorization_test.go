package graph_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/graph"
	"midas/internal/directory"
	"midas/internal/store"
)

// everyone lists all callers of the tenant, sorted.
func everyone() []string {
	var all []string
	for _, set := range []map[string]string{users, principals, appRoles} {
		for name := range set {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// populated creates an object of each kind: {u}, {g}, {a} and {p}.
func populated(t testing.TB) *stack {
	s := newStack(t)
	s.user(t, "u")
	s.group(t, "g")
	s.app(t, "a")
	s.names["p"] = s.names["a.sp"]
	return s
}

// sample is a path of an operation. In each pair of names the first is an object without privileges and
// the second a privileged one.
func sample(path string, powerful bool) string {
	first, _, _ := strings.Cut(path, "/")
	plain, strong, _ := strings.Cut(map[string]string{
		"users": "{u} {boss}", "groups": "{g} {ring}", "applications": "{a} {key}", "servicePrincipals": "{p} {key.sp}",
		"directoryObjects": "{u} {boss}", "directoryRoles": directory.DirectoryReaders + " " + directory.GlobalAdministrator,
		"organization": "{tenant}", "domains": domain,
	}[first], " ")
	id := plain
	if powerful && strong != "" {
		id = strong
	}
	if id == "" {
		id = "00000000-0000-4000-8000-000000000001"
	}
	return strings.NewReplacer("{id}", id, "{member}", "00000000-0000-4000-8000-000000000002", "{cast}", "microsoft.graph.user").Replace(path)
}

// attempt is one row of testdata/rights.txt: a request for an operation. Except for deletions it changes
// nothing, because its body is invalid.
type attempt struct{ method, path, body, note string }

func (a attempt) String() string { return strings.TrimSpace(a.method + " " + a.path + " " + a.note) }

func attempts(s *stack) (all []attempt) {
	for _, op := range s.graph.Operations() {
		all = append(all, attempt{op.Method, op.Path, `{"@odata.id":"x"}`, ""})
	}
	return append(all,
		attempt{"PATCH", "users/{id}", `{"passwordProfile":{"password":"weak"}}`, "passwordProfile"},
		attempt{"PATCH", "users/{id}", `{"passwordProfile":{"password":"weak"},"jobTitle":"x"}`, "passwordProfile and jobTitle"})
}

// makeStrong creates a privileged object: a user with a directory role, a group that may create Azure role
// assignments, or an application with an app role of Microsoft Graph.
func (s *stack) makeStrong(t testing.TB, set string) {
	switch set {
	case "users":
		s.user(t, "boss")
		s.update(t, func(tx store.Tx) error {
			return s.directory.AssignDirectoryRole(tx, tenant, directory.DirectoryReaders, s.names["boss"])
		})
	case "groups":
		s.group(t, "ring")
		s.rights[s.names["ring"]] = true
	default:
		s.app(t, "key")
		s.assign(t, "key.sp", directory.RoleUserReadAll)
	}
}

// remake creates the objects again that an attempt has deleted.
func (s *stack) remake(t testing.TB, set string, powerful bool) {
	switch {
	case powerful:
		s.makeStrong(t, set)
	case set == "users":
		s.user(t, "u")
	case set == "groups":
		s.group(t, "g")
	default:
		s.app(t, "a")
		s.names["p"] = s.names["a.sp"]
	}
}

// TestOperationsRequireTheirPrivileges sends each operation as each caller, to an object without privileges and to a privileged
// one, neither owned by the caller. testdata/rights.txt lists the callers that are allowed; every operation
// must have a row there.
func TestOperationsRequireTheirPrivileges(t *testing.T) {
	s := populated(t)
	for _, set := range []string{"users", "groups", "applications"} {
		s.makeStrong(t, set)
	}
	tokens := map[string]string{}
	for _, caller := range everyone() {
		tokens[caller] = "Authorization: Bearer " + s.token(t, caller)
	}
	var got strings.Builder
	for _, powerful := range []bool{false, true} {
		for _, a := range attempts(s) {
			path := sample(a.path, powerful)
			if powerful && path == sample(a.path, false) {
				continue // the operation has no object, or an object that is never privileged
			}
			fmt.Fprintf(&got, "%s%s:", map[bool]string{true: "powerful "}[powerful], a)
			for _, caller := range everyone() {
				w := s.send(t, "", a.method, path, a.body, tokens[caller])
				if w.Code >= 500 || w.Code == 401 || w.Code == 405 {
					t.Fatalf("%s %s as %s: %d %s", a.method, path, caller, w.Code, w.Body)
				}
				if w.Code != 403 {
					got.WriteString(" " + caller)
				}
				if set, one, _ := strings.Cut(a.path, "/"); a.method == "DELETE" && w.Code == 204 && one == "{id}" {
					s.remake(t, set, powerful)
				}
			}
			got.WriteString("\n")
		}
	}
	const file = "testdata/rights.txt"
	if os.Getenv("MIDAS_UPDATE") != "" {
		must(t, os.WriteFile(file, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// Every role has a caller in the table.
func TestEveryRoleHasACaller(t *testing.T) {
	var have []string
	for _, set := range []map[string]string{users, principals, appRoles} {
		for _, role := range set {
			have = append(have, role)
		}
	}
	for _, role := range directory.DirectoryRoles() {
		if !slices.Contains(have, role.ID) {
			t.Errorf("no caller has the directory role %s", role.DisplayName)
		}
	}
	s := newStack(t)
	roles, err := s.directory.RolesOf(nil, directory.FirstPartyPrincipals(tenant)[0])
	must(t, err)
	for _, role := range roles {
		if graph.Enforced(role.Value) && !slices.Contains(have, role.Value) {
			t.Errorf("no caller has the app role %s", role.Value)
		}
	}
}

// No caller gains privileges through a privileged object.
func TestOnlyGlobalAdministratorsChangePrivilegedObjects(t *testing.T) {
	s := populated(t)
	s.user(t, "boss")
	s.app(t, "key")
	s.group(t, "ring")
	s.update(t, func(tx store.Tx) error {
		return s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.names["boss"])
	})
	writeAll := "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"
	grantOf := func(name string) string {
		return s.fill(`{"principalId":"{` + name + `}","resourceId":"{graph}","appRoleId":"` + writeAll + `"}`)
	}
	s.want(t, 201, "ga", "POST", "servicePrincipals/{key.sp}/appRoleAssignments", grantOf("key.sp"))
	s.update(t, func(tx store.Tx) error { // groups get app roles for applications by way of nesting only
		return s.directory.AddMember(tx, tenant, s.names["ring"], s.names["key.sp"])
	})
	for _, owned := range []string{"applications/{key}", "servicePrincipals/{key.sp}"} {
		s.want(t, 204, "ga", "POST", owned+"/owners/$ref", ref("member"))
	}
	refused := []struct{ caller, method, path, body string }{
		{"user.rw", "PATCH", "users/{boss}", `{"passwordProfile":{"password":"Stolen-1234"}}`},
		{"dir.rw", "PATCH", "users/{ga}", `{"accountEnabled":false}`},
		{"user.rw", "DELETE", "users/{ga}", ``},
		{"user.rw", "POST", "users/{ga}/revokeSignInSessions", ``},
		{"app.rw", "POST", "applications/{key}/addPassword", `{}`},
		{"appadmin", "POST", "applications/{key}/addPassword", `{}`},
		{"member", "POST", "applications/{key}/addPassword", `{}`}, // the owner
		{"app.rw", "PATCH", "applications/{key}", `{"keyCredentials":[]}`},
		{"app.rw", "POST", "applications/{key}/owners/$ref", ref("app.rw")},
		{"app.rw", "PATCH", "servicePrincipals/{key.sp}", `{"accountEnabled":false}`},
		{"app.rw", "DELETE", "applications/{key}", ``},
		{"appadmin", "POST", "servicePrincipals/{a.sp}/appRoleAssignments", grantOf("a.sp")},
		{"appadmin", "POST", "servicePrincipals/{graph}/appRoleAssignedTo", grantOf("a.sp")},
		{"appadmin", "POST", "users/{appadmin}/appRoleAssignments", grantOf("appadmin")},
		{"app.rw", "POST", "servicePrincipals/{app.rw}/appRoleAssignments", grantOf("app.rw")},
		{"appadmin", "POST", "directoryRoles/" + directory.GlobalAdministrator + "/members/$ref", ref("appadmin")},
		{"dir.rw", "POST", "roleManagement/directory/roleAssignments", `{"principalId":"{dir.rw}","roleDefinitionId":"` + directory.GlobalAdministrator + `","directoryScopeId":"/"}`},
		{"app.rw", "DELETE", "servicePrincipals/{graph}", ``},
		{"ga", "DELETE", "servicePrincipals/{graph}", ``},
		{"ga", "PATCH", "servicePrincipals/{graph}", `{"accountEnabled":false}`},
	}
	for _, r := range refused {
		if got := s.want(t, 403, r.caller, r.method, r.path, r.body).error(); got != "Authorization_RequestDenied" {
			t.Errorf("%s %s as %s: %s", r.method, r.path, r.caller, got)
		}
	}
	s.want(t, 200, "ga", "POST", "applications/{key}/addPassword", `{}`)
	s.want(t, 200, "app.rw", "POST", "applications/{a}/addPassword", `{}`)
	s.want(t, 201, "grant.rw", "POST", "servicePrincipals/{a.sp}/appRoleAssignments", grantOf("a.sp"))
	s.want(t, 403, "app.rw", "POST", "applications/{a}/addPassword", `{}`) // now the application is privileged too
}

func TestOwnersManageTheirObjects(t *testing.T) {
	s := populated(t)
	for _, object := range []string{"applications/{a}", "servicePrincipals/{p}", "groups/{g}"} {
		s.want(t, 403, "member", "PATCH", object, `{}`)
		s.want(t, 204, "ga", "POST", object+"/owners/$ref", ref("member"))
		s.want(t, 204, "member", "PATCH", object, `{}`)
	}
	s.want(t, 200, "member", "POST", "applications/{a}/addPassword", `{}`)
	s.want(t, 204, "member", "POST", "groups/{g}/members/$ref", ref("u"))
	s.want(t, 403, "nobody", "POST", "groups/{g}/members/$ref", ref("nobody"))
	if diff := cmp.Diff([]string{"a", "a", "g"}, sorted(s.want(t, 200, "member", "GET", "me/ownedObjects", "").values("displayName"))); diff != "" {
		t.Error(diff)
	}
	s.want(t, 204, "member", "DELETE", "groups/{g}/owners/{member}/$ref", "")
	s.want(t, 403, "member", "PATCH", "groups/{g}", `{}`)
}

func TestCallersReadTheirOwnObject(t *testing.T) {
	s := newStack(t)
	for _, path := range []string{"servicePrincipals/{nobody}", "servicePrincipals/{nobody}/memberOf", "servicePrincipals/{nobody}/appRoleAssignments", "directoryObjects/{nobody}"} {
		s.want(t, 200, "nobody", "GET", path, "")
		s.want(t, 403, "nobody", "GET", strings.Replace(path, "{nobody}", "{reader}", 1), "")
	}
	if got := s.want(t, 200, "member", "GET", "me", "")["userPrincipalName"]; got != "member@midas.test" {
		t.Errorf("me is %v", got)
	}
	if got := s.want(t, 400, "nobody", "GET", "me", "").error(); got != "BadRequest" {
		t.Error(got)
	}
	if got := s.want(t, 200, "reader", "GET", "servicePrincipals/{reader}/memberOf", "").values("displayName"); !slices.Equal(got, []string{"Directory Readers"}) {
		t.Error(got)
	}
}

func TestTenantsAreIsolated(t *testing.T) {
	s := populated(t)
	for _, path := range []string{"users/{u}", "groups/{g}", "applications/{a}", "servicePrincipals/{p}", "servicePrincipals(appId='{a.appid}')", "directoryObjects/{u}", "organization/{tenant}", "domains/midas.test", "users/u@midas.test"} {
		s.want(t, 404, "stranger", "GET", path, "")
	}
	for _, path := range []string{"users", "groups", "applications"} {
		if got := s.want(t, 200, "stranger", "GET", path, "").values("id"); len(got) != 0 {
			t.Errorf("%s: %v", path, got)
		}
	}
	s.want(t, 404, "stranger", "DELETE", "users/{u}", "")
	s.want(t, 404, "stranger", "PATCH", "applications/{a}", "{}")
	if got := s.want(t, 200, "stranger", "POST", "directoryObjects/getByIds", `{"ids":["{u}","{g}"]}`).values("id"); len(got) != 0 {
		t.Error(got)
	}
}

func TestLastGlobalAdministratorCannotBeRemoved(t *testing.T) {
	s := newStack(t)
	for _, r := range [][2]string{
		{"DELETE", "users/{ga}"},
		{"DELETE", "directoryRoles/" + directory.GlobalAdministrator + "/members/{ga}/$ref"},
	} {
		if got := s.want(t, 400, "ga", r[0], r[1], "").error(); got != "Request_BadRequest" {
			t.Error(got)
		}
	}
	made := s.want(t, 201, "ga", "POST", "roleManagement/directory/roleAssignments", `{"principalId":"{member}","roleDefinitionId":"`+directory.GlobalAdministrator+`","directoryScopeId":"/"}`)
	s.names["held"] = made["id"].(string)
	if diff := cmp.Diff(made["principalId"], s.want(t, 200, "ga", "GET", "roleManagement/directory/roleAssignments/{held}", "")["principalId"]); diff != "" {
		t.Error(diff)
	}
	got := s.want(t, 200, "ga", "GET", "roleManagement/directory/roleAssignments"+query("$filter", "principalId eq '"+s.names["member"]+"'"), "").values("roleDefinitionId")
	if !slices.Equal(got, []string{directory.GlobalAdministrator}) {
		t.Error(got)
	}
	s.want(t, 204, "member", "DELETE", "users/{ga}", "")
	s.want(t, 401, "ga", "GET", "me", "")
	s.want(t, 400, "member", "DELETE", "roleManagement/directory/roleAssignments/{held}", "")
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
