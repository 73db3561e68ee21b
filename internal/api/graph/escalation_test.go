package graph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"midas/internal/directory"
	"midas/internal/store"
)

// Claims about app roles, groups and directory roles give no rights.
func TestClaimsGiveNoRights(t *testing.T) {
	s := populated(t)
	var every []string
	for _, role := range appRoles {
		every = append(every, role)
	}
	for _, audience := range []string{audience, directory.GraphAppID, origin, origin + "/"} {
		for _, who := range []string{"nobody", "member"} {
			c := s.callers[who]
			c.Audience, c.Roles = audience, every
			c.WellKnownIDs = []string{directory.GlobalAdministrator}
			s.callers["liar"] = c
			s.want(t, 403, "liar", "POST", "roleManagement/directory/roleAssignments",
				`{"principalId":"`+s.names[who]+`","roleDefinitionId":"`+directory.GlobalAdministrator+`","directoryScopeId":"/"}`)
			s.want(t, 403, "liar", "POST", "applications", `{"displayName":"x"}`)
			s.want(t, 403, "liar", "PATCH", "users/{u}", `{"passwordProfile":{"password":"Stolen-1234"}}`)
			s.want(t, 403, "liar", "POST", "servicePrincipals/{graph}/appRoleAssignedTo", `{}`)
		}
	}
}

// A removed right has no effect in the next request, although the token is still valid.
func TestRemovedRightsEndAtOnce(t *testing.T) {
	s := populated(t)
	raw := "Authorization: Bearer " + s.token(t, "app.rw")
	s.want(t, 200, "", "GET", "applications", "", raw)
	grants := s.want(t, 200, "ga", "GET", "servicePrincipals/{app.rw}/appRoleAssignments", "").values("id")
	s.want(t, 204, "ga", "DELETE", "servicePrincipals/{app.rw}/appRoleAssignments/"+grants[0], "")
	s.want(t, 403, "", "GET", "applications", "", raw)
}

// An assignment of a Microsoft Graph app role is found however many other assignments exist.
func TestGraphRoleIsFoundAmongManyAssignments(t *testing.T) {
	s := populated(t)
	s.app(t, "key")
	s.assign(t, "key.sp", directory.RoleUserReadAll)
	var roles []string
	for i := range 200 {
		roles = append(roles, fmt.Sprintf(`{"id":"%s","value":"r%d","displayName":"r","description":"r","allowedMemberTypes":["Application"],"isEnabled":true}`, uuid.NewString(), i))
	}
	for n := range 6 {
		name := fmt.Sprintf("many%d", n)
		s.app(t, name)
		a := s.want(t, 200, "ga", "GET", "applications/{"+name+"}", "")
		_ = a
		var own []string
		for range roles {
			own = append(own, fmt.Sprintf(`{"id":"%s","displayName":"r","description":"r","allowedMemberTypes":["Application"],"isEnabled":true}`, uuid.NewString()))
		}
		s.want(t, 204, "ga", "PATCH", "applications/{"+name+"}", `{"appRoles":[`+strings.Join(own, ",")+`]}`)
		app := s.want(t, 200, "ga", "GET", "applications/{"+name+"}", "")
		for _, r := range app["appRoles"].([]any) {
			s.update(t, func(tx store.Tx) error {
				_, err := s.directory.AssignAppRole(tx, directory.AppRoleAssignment{
					TenantID: tenant, PrincipalID: s.names["key.sp"], ResourceID: s.names[name+".sp"], AppRoleID: r.(map[string]any)["id"].(string),
				})
				return err
			})
		}
	}
	s.want(t, 403, "app.rw", "POST", "applications/{key}/addPassword", `{}`)
}

// Only Global Administrators may set identifier URIs outside the verified domains.
func TestIdentifierURIsAreVerified(t *testing.T) {
	s := populated(t)
	s.want(t, 204, "ga", "POST", "applications/{a}/owners/$ref", ref("member"))
	patch := func(uri string) string { return `{"identifierUris":[` + quote(uri) + `]}` }
	for _, uri := range []string{
		origin, origin + "/", origin + ":443", "https://SERVER.midas.test/x", "http://server.midas.test:8443", "https://localhost:8443", "https://127.0.0.1",
		"https://graph.microsoft.com", "https://graph.microsoft.com:443/", "https://vault.azure.net", "https://management.azure.com/", "https://storage.azure.com",
		"api://" + directory.GraphAppID, "api://{p}", "https://user@server.midas.test", "https://contoso.example", "api://orders", "urn:orders",
	} {
		reserved := !strings.HasSuffix(uri, "contoso.example") && !strings.HasSuffix(uri, "orders")
		for _, who := range []string{"member", "app.rw", "appadmin"} {
			got := s.want(t, 400, who, "PATCH", "applications/{a}", patch(uri))
			if code := got.error(); code != "HostNameNotOnVerifiedDomain" && code != "Request_BadRequest" {
				t.Errorf("%s as %s: %s", uri, who, code)
			}
			if who != "member" {
				s.want(t, 400, who, "POST", "applications", `{"displayName":"x","identifierUris":[`+quote(uri)+`]}`)
			}
		}
		status := 204
		if reserved {
			status = 400
		}
		s.want(t, status, "ga", "PATCH", "applications/{a}", patch(uri))
		s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":[]}`)
	}
	for _, uri := range []string{"api://{a.appid}", "api://{a.appid}/read", "api://{tenant}/orders", "https://midas.test/orders", "https://api.midas.test", "api://orders.midas.test"} {
		for _, who := range []string{"member", "app.rw", "appadmin", "ga"} {
			s.want(t, 204, who, "PATCH", "applications/{a}", patch(uri))
			s.want(t, 204, who, "PATCH", "applications/{a}", `{"identifierUris":[]}`)
		}
	}
	// An unverified URI that a Global Administrator has set stays when others change other properties.
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"identifierUris":["api://given"]}`)
	s.want(t, 204, "member", "PATCH", "applications/{a}", `{"displayName":"renamed"}`)
	s.want(t, 204, "member", "PATCH", "applications/{a}", `{"identifierUris":["api://given","api://{a.appid}"]}`)
	got := s.want(t, 400, "member", "PATCH", "applications/{a}", `{"identifierUris":["api://given","https://evil.test"]}`)
	if message := got["error"].(map[string]any)["message"]; message != "Values of identifierUris property must use a verified domain of the organization or its subdomain: 'https://evil.test'" {
		t.Error(message)
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// Resetting a password needs writePasswords, and for privileged users a Global Administrator.
func TestResettingPasswordsNeedsItsPrivilege(t *testing.T) {
	s := populated(t)
	for _, name := range []string{"boss", "owner", "deep"} {
		s.user(t, name)
	}
	s.group(t, "outer")
	s.group(t, "inner")
	s.update(t, func(tx store.Tx) error {
		return errors.Join(s.directory.AssignDirectoryRole(tx, tenant, directory.DirectoryReaders, s.names["boss"]),
			s.directory.AddMember(tx, tenant, s.names["outer"], s.names["inner"]), s.directory.AddMember(tx, tenant, s.names["inner"], s.names["deep"]))
	})
	s.rights[s.names["owner"]], s.rights[s.names["outer"]] = true, true
	const reset = `{"passwordProfile":{"password":"Stolen-1234"}}`
	may := []string{"ga", "useradmin", "pwadmin", "password.rw"}
	for _, who := range everyone() {
		plain, powerful := 403, 403
		for _, m := range may {
			if who == m {
				plain = 204
			}
		}
		if who == "ga" {
			powerful = 204
		}
		s.want(t, plain, who, "PATCH", "users/{u}", reset)
		for _, target := range []string{"boss", "owner", "deep"} {
			s.want(t, powerful, who, "PATCH", "users/{"+target+"}", reset)
			s.want(t, powerful, who, "PATCH", "users/"+target+"@midas.test", reset)
		}
	}
	for _, body := range []string{
		`{"passwordProfile":null}`, `{"passwordProfile":{}}`, `{"passwordProfile":{"forceChangePasswordNextSignIn":true}}`,
		`{"PASSWORDPROFILE":{"password":"Stolen-1234"}}`, `{"jobTitle":"x","passwordProfile":{"password":"Stolen-1234"}}`,
	} {
		s.want(t, 403, "user.rw", "PATCH", "users/{u}", body)
		s.want(t, 403, "dir.rw", "PATCH", "users/{u}", body)
	}
	for _, body := range []string{`{"jobTitle":"x"}`, `{"accountEnabled":false}`, `{"userPrincipalName":"v@midas.test"}`, `{}`} {
		s.want(t, 403, "pwadmin", "PATCH", "users/{u}", body)
		s.want(t, 403, "password.rw", "PATCH", "users/{u}", body)
	}
	s.want(t, 204, "user.rw", "PATCH", "users/{u}", `{"jobTitle":"x"}`)
	s.want(t, 201, "user.rw", "POST", "users", `{"accountEnabled":true,"displayName":"n","mailNickname":"n","userPrincipalName":"n@midas.test","passwordProfile":{"password":"Test1234!!"}}`)
	// All app roles of Microsoft Graph together do not make a Global Administrator.
	for _, role := range appRoles {
		if role != directory.RoleUserReadAll {
			s.assign(t, "user.r", role)
		}
	}
	s.want(t, 403, "user.r", "PATCH", "users/{ga}", reset)
}

// Only Global Administrators take control of a principal that may create Azure role assignments.
func TestOnlyGlobalAdministratorsChangePrincipalsThatAssignAzureRoles(t *testing.T) {
	s := populated(t)
	s.user(t, "owner")
	s.group(t, "owners")
	s.app(t, "ci")
	for _, name := range []string{"owner", "owners", "ci.sp"} {
		s.rights[s.names[name]] = true
	}
	for _, path := range []string{"applications/{ci}", "servicePrincipals/{ci.sp}", "groups/{owners}"} {
		s.want(t, 204, "ga", "POST", path+"/owners/$ref", ref("member"))
	}
	for _, r := range []struct{ method, path, body string }{
		{"PATCH", "users/{owner}", `{"accountEnabled":false}`},
		{"PATCH", "users/{owner}", `{"userPrincipalName":"other@midas.test"}`},
		{"DELETE", "users/{owner}", ``},
		{"POST", "users/{owner}/revokeSignInSessions", ``},
		{"POST", "groups/{owners}/members/$ref", ref("member")},
		{"PATCH", "groups/{owners}", `{"members@odata.bind":["https://graph.microsoft.com/v1.0/directoryObjects/{member}"]}`},
		{"POST", "groups/{owners}/owners/$ref", ref("appadmin")},
		{"POST", "applications/{ci}/addPassword", `{}`},
		{"POST", "applications/{ci}/owners/$ref", ref("appadmin")},
		{"POST", "servicePrincipals/{ci.sp}/owners/$ref", ref("appadmin")},
		{"PATCH", "applications/{ci}", `{"web":{"redirectUris":["https://evil.test"]}}`},
		{"PATCH", "applications/{ci}", `{"keyCredentials":[]}`},
		{"PATCH", "servicePrincipals/{ci.sp}", `{"accountEnabled":false}`},
		{"DELETE", "applications/{ci}", ``},
	} {
		for _, who := range everyone() {
			if who != "ga" {
				s.want(t, 403, who, r.method, r.path, r.body)
			}
		}
	}
	s.want(t, 200, "ga", "POST", "applications/{ci}/addPassword", `{}`)
}

// A POST with an invalid reference creates nothing.
func TestCreationWithInvalidReferenceCreatesNothing(t *testing.T) {
	s := populated(t)
	const there, missing = `"https://graph.microsoft.com/v1.0/directoryObjects/{u}"`, `"https://graph.microsoft.com/v1.0/directoryObjects/00000000-0000-4000-8000-00000000dead"`
	const application = `"https://graph.microsoft.com/v1.0/directoryObjects/{a}"`
	s.as(t, "spare", "applications", `{"displayName":"spare"}`)
	for _, test := range []struct {
		status     int
		path, body string
	}{
		{404, "groups", `"mailNickname":"n","mailEnabled":false,"securityEnabled":true,"members@odata.bind":[` + there + `,` + missing + `]`},
		{404, "groups", `"mailNickname":"n","mailEnabled":false,"securityEnabled":true,"owners@odata.bind":[` + missing + `]`},
		{400, "groups", `"mailNickname":"n","mailEnabled":false,"securityEnabled":true,"members@odata.bind":[` + application + `]`},
		{400, "groups", `"mailNickname":"n","mailEnabled":false,"securityEnabled":true,"members@odata.bind":[` + there + `,` + there + `]`},
		{404, "applications", `"owners@odata.bind":[` + there + `,` + missing + `]`},
		{400, "applications", `"owners@odata.bind":["https://graph.microsoft.com/v1.0/directoryObjects/{g}"]`},
		{404, "servicePrincipals", `"appId":"{spare.appid}","owners@odata.bind":[` + missing + `]`},
	} {
		count := func() int { return len(s.want(t, 200, "ga", "GET", test.path, "").values("id")) }
		before := count()
		body := `{"displayName":"half",` + test.body + `}`
		if test.path == "servicePrincipals" {
			body = `{` + test.body + `}`
		}
		s.want(t, test.status, "ga", "POST", test.path, body)
		if after := count(); after != before {
			t.Errorf("POST %s %s has created an object", test.path, test.body)
		}
	}
	s.want(t, 404, "ga", "PATCH", "groups/{g}", `{"description":"half","members@odata.bind":[`+there+`,`+missing+`]}`)
	if g := s.want(t, 200, "ga", "GET", "groups/{g}", ""); g["description"] != nil {
		t.Error("a refused PATCH has changed a property")
	}
	if members := s.want(t, 200, "ga", "GET", "groups/{g}/members", "").values("id"); len(members) > 0 {
		t.Error("a refused PATCH has added a reference")
	}
}

// A group with as many members and owners as a request may name fits into one transaction.
func TestCreationWithAllReferencesFitsIntoATransaction(t *testing.T) {
	s := newStack(t)
	refs := map[string][]string{}
	for i := range 20 {
		s.user(t, fmt.Sprint("o", i))
		refs["owners"] = append(refs["owners"], fmt.Sprintf(`"https://x/directoryObjects/{o%d}"`, i))
		s.group(t, fmt.Sprint("m", i))
		refs["members"] = append(refs["members"], fmt.Sprintf(`"https://x/directoryObjects/{m%d}"`, i))
	}
	s.as(t, "big", "groups", `{"displayName":"big","mailNickname":"big","mailEnabled":false,"securityEnabled":true,
		"members@odata.bind":[`+strings.Join(refs["members"], ",")+`],"owners@odata.bind":[`+strings.Join(refs["owners"], ",")+`]}`)
	var uris []string
	for i := range 50 {
		uris = append(uris, fmt.Sprintf(`"api://many/%d"`, i))
	}
	s.as(t, "app", "applications", `{"displayName":"app","identifierUris":[`+strings.Join(uris, ",")+`],"owners@odata.bind":[`+strings.Join(refs["owners"], ",")+`]}`)
	s.as(t, "sp", "servicePrincipals", `{"appId":"{app.appid}","owners@odata.bind":[`+strings.Join(refs["owners"], ",")+`]}`)
}

// Concurrent removals of Global Administrators leave one that is enabled.
func TestConcurrentRemovalsLeaveOneGlobalAdministrator(t *testing.T) {
	ways := []struct{ method, path, body string }{
		{"DELETE", "users/{%s}", ""}, {"PATCH", "users/{%s}", `{"accountEnabled":false}`},
		{"DELETE", "directoryRoles/" + directory.GlobalAdministrator + "/members/{%s}/$ref", ""},
	}
	s := newStack(t)
	names := []string{"ga"}
	for i := range 8 {
		name := fmt.Sprint("admin", i)
		s.user(t, name)
		names = append(names, name)
		c := s.callers["ga"]
		c.Subject, c.ObjectID, c.AppID = s.names[name], s.names[name], s.names[name]
		s.callers[name] = c
		s.update(t, func(tx store.Tx) error {
			return s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.names[name])
		})
	}
	var wg sync.WaitGroup
	for i := range names {
		way, next := ways[i%3], names[(i+1)%len(names)]
		raw := "Authorization: Bearer " + s.token(t, names[i])
		wg.Go(func() {
			for range 20 {
				w := s.send(t, "", way.method, fmt.Sprintf(way.path, next), way.body, raw)
				if w.Code != http.StatusServiceUnavailable {
					return
				}
			}
		})
	}
	wg.Wait()
	left := 0
	for _, name := range names {
		if w := s.send(t, name, "POST", "groups", `{}`); w.Code == 400 {
			left++
		}
	}
	if left < 1 {
		t.Error("no Global Administrator is left")
	}
}

// A body that is nested deeper than arm.MaxDepth is refused.
func TestDeeplyNestedBodiesAreRefused(t *testing.T) {
	s := populated(t)
	for _, depth := range []int{100, 126} {
		s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"serviceManagementReference":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`)
	}
	for _, depth := range []int{128, 1000, 8000} {
		for _, path := range []string{"applications/{a}", "servicePrincipals/{p}", "groups/{g}", "users/{u}"} {
			for _, pair := range []string{"[]", `{"a":}`} {
				open, end := pair[:len(pair)-1], pair[len(pair)-1:]
				body := `{"tags":` + strings.Repeat(open, depth) + `0` + strings.Repeat(end, depth) + `}`
				if got := s.want(t, 400, "ga", "PATCH", path, body).error(); got != "BadRequest" {
					t.Errorf("%s, %d deep: %s", path, depth, got)
				}
			}
		}
	}
}
