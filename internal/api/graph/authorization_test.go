package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
)

// everyone is all callers but those of the other tenant, sorted.
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

// populated makes an object of each kind, which {u}, {g}, {a} and {p} are.
func populated(t testing.TB) *stack {
	s := newStack(t)
	s.user(t, "u")
	s.group(t, "g")
	s.app(t, "a")
	s.names["p"] = s.names["a.sp"]
	return s
}

// sample is a path and a body that fit an operation, which may then only fail for other reasons
// than authorization.
func sample(path string) string {
	first, _, _ := strings.Cut(path, "/")
	id := map[string]string{
		"users": "{u}", "groups": "{g}", "applications": "{a}", "servicePrincipals": "{p}", "directoryObjects": "{u}",
		"directoryRoles": directory.DirectoryReaders, "organization": "{tenant}", "domains": domain,
	}[first]
	if id == "" {
		id = "00000000-0000-4000-8000-000000000001"
	}
	return strings.NewReplacer("{id}", id, "{member}", "00000000-0000-4000-8000-000000000002", "{cast}", "microsoft.graph.user").Replace(path)
}

// TestWhoMayDoWhat walks over the whole table: each operation is tried by each caller, on an object
// that is not the caller's own. What is let in must be what these lists say.
func TestWhoMayDoWhat(t *testing.T) {
	admins := []string{"ga"}
	read := map[string][]string{
		"users":             {"appadmin", "dir.r", "dir.rw", "ga", "member", "reader", "user.r", "user.rw"},
		"groups":            {"appadmin", "dir.r", "dir.rw", "ga", "group.r", "group.rw", "member", "reader"},
		"applications":      {"app.r", "app.rw", "appadmin", "dir.r", "dir.rw", "ga", "grant.rw", "member", "reader"},
		"directoryRoles":    {"appadmin", "dir.r", "dir.rw", "ga", "member", "reader", "role.rw"},
		"organization":      everyone(),
		"domains":           everyone(),
		"directoryObjects":  {"appadmin", "dir.r", "dir.rw", "ga", "member", "reader", "user.r", "user.rw"}, // the object is a user
		"directory":         slices.DeleteFunc(everyone(), func(c string) bool { return c == "nobody" }),
		"servicePrincipals": nil, "roleManagement": nil, "directoryRoleTemplates": nil, "oauth2PermissionGrants": nil,
	}
	read["servicePrincipals"], read["oauth2PermissionGrants"] = read["applications"], read["applications"]
	read["roleManagement"], read["directoryRoleTemplates"] = read["directoryRoles"], read["directoryRoles"]
	write := map[string][]string{
		"users":          {"dir.rw", "ga", "user.rw"},
		"groups":         {"dir.rw", "ga", "group.rw"},
		"applications":   {"app.rw", "appadmin", "dir.rw", "ga"},
		"directoryRoles": {"ga", "role.rw"}, "roleManagement": {"ga", "role.rw"},
		"directory": {"app.rw", "appadmin", "dir.rw", "ga", "group.rw", "user.rw"},
	}
	write["servicePrincipals"] = write["applications"]
	special := map[string][]string{ // by the end of the path
		"/changePassword": nil, "/revokeSignInSessions": {"dir.rw", "ga", "user.rw"},
	}
	grantors := []string{"appadmin", "ga", "grant.rw"}

	s := populated(t)
	for _, op := range s.graph.Operations() {
		first, _, _ := strings.Cut(op.Path, "/")
		last := op.Path[strings.LastIndexByte(op.Path, '/')+1:]
		want, known := special["/"+last]
		switch {
		case known:
		case op.Method != "GET" && strings.Contains(op.Path, "appRoleAssign"):
			want = grantors
		case op.Path == "directoryObjects/getByIds":
			want = read["directory"]
		case op.Method == "GET" || strings.HasPrefix(last, "getMember") || strings.HasPrefix(last, "checkMember"):
			want = read[first]
		default:
			want = write[first]
		}
		if want == nil && !known {
			want = admins
		}
		got := []string{}
		for _, caller := range everyone() {
			// An empty body is good for nothing, so that the objects stay as they are.
			method := op.Method
			path := sample(op.Path)
			if method == "DELETE" && !strings.Contains(op.Path, "{member}") && first != "directory" && first != "roleManagement" {
				continue // it would work: TestDeletingIsForWriters
			}
			w := s.send(t, caller, method, path, `{"@odata.id":"x"}`)
			if w.Code >= 500 || w.Code == 401 || w.Code == 405 {
				t.Fatalf("%s %s as %s: %d %s", method, path, caller, w.Code, w.Body)
			}
			if w.Code != 403 {
				got = append(got, caller)
			}
		}
		if op.Method == "DELETE" && len(got) == 0 {
			continue
		}
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", op.Method, op.Path, diff)
		}
	}
}

func TestDeletingIsForWriters(t *testing.T) {
	writers := map[string][]string{
		"users/{u}": {"dir.rw", "ga", "user.rw"}, "groups/{g}": {"dir.rw", "ga", "group.rw"},
		"applications/{a}": {"app.rw", "appadmin", "dir.rw", "ga"}, "servicePrincipals/{p}": {"app.rw", "appadmin", "dir.rw", "ga"},
	}
	s := populated(t)
	for path, allowed := range writers {
		for _, caller := range everyone() {
			if !slices.Contains(allowed, caller) {
				s.want(t, 403, caller, "DELETE", path, "")
			}
		}
	}
	for path, allowed := range writers {
		for _, caller := range allowed {
			s.want(t, 204, caller, "DELETE", path, "")
			s.want(t, 404, "ga", "GET", path, "")
			switch path {
			case "users/{u}":
				s.user(t, "u")
			case "groups/{g}":
				s.group(t, "g")
			case "applications/{a}":
				s.app(t, "a")
				s.names["p"] = s.names["a.sp"]
			default:
				s.as(t, "p", "servicePrincipals", `{"appId":"{a.appid}"}`)
			}
		}
	}
}

// Nobody becomes more powerful than they are by way of an object that is.
func TestPowerfulObjectsAreForGlobalAdministrators(t *testing.T) {
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
	s.want(t, 403, "app.rw", "POST", "applications/{a}/addPassword", `{}`) // now it is powerful too
}

func TestOwnersManageWhatTheyOwn(t *testing.T) {
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

func TestEveryoneMayReadThemselves(t *testing.T) {
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

func TestTenantsAreStrangersToEachOther(t *testing.T) {
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

func TestLastGlobalAdministratorStays(t *testing.T) {
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
