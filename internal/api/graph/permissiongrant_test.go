package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/directory"
)

const permissionGrants = "oauth2PermissionGrants"

// consented is a stack with a client {c.sp}, a resource {r.sp} and a user {u}.
func consented(t testing.TB) *stack {
	s := newStack(t)
	s.user(t, "u")
	s.app(t, "c")
	s.app(t, "r")
	return s
}

func grantBody(changes ...string) string {
	body := map[string]string{"clientId": `"{c.sp}"`, "resourceId": `"{r.sp}"`, "consentType": `"Principal"`, "principalId": `"{u}"`, "scope": `"Read Write"`}
	for i := 0; i < len(changes); i += 2 {
		body[changes[i]] = changes[i+1]
	}
	var parts []string
	for name, value := range body {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestPermissionGrants(t *testing.T) {
	s := consented(t)
	made := s.as(t, "mine", permissionGrants, grantBody())
	for name, want := range map[string]any{
		"clientId": s.names["c.sp"], "resourceId": s.names["r.sp"], "consentType": "Principal", "principalId": s.names["u"], "scope": "Read Write",
		"@odata.context": origin + "/v1.0/$metadata#oauth2PermissionGrants/$entity",
	} {
		if made[name] != want {
			t.Errorf("%s: %v, want %v", name, made[name], want)
		}
	}
	// Older clients also send startTime and expiryTime.
	s.as(t, "all", permissionGrants, grantBody("consentType", `"AllPrincipals"`, "principalId", "null", "scope", `" List "`, "startTime", `"2026-01-01T00:00:00"`, "expiryTime", `"2027-01-01T00:00:00"`))
	if got := s.want(t, 200, "ga", "GET", permissionGrants+"/{all}", ""); got["scope"] != "List" || got["principalId"] != nil {
		t.Errorf("%v", got)
	}
	if s.want(t, 400, "ga", "POST", permissionGrants, grantBody("scope", `"Other"`)).error() != "Request_BadRequest" {
		t.Error("a second grant for the same user was created")
	}
	s.want(t, 204, "ga", "PATCH", permissionGrants+"/{mine}", `{"scope":"Read Delete"}`)
	if got := s.want(t, 200, "ga", "GET", permissionGrants+"/{mine}", ""); got["scope"] != "Read Delete" {
		t.Errorf("%v", got)
	}
	s.want(t, 204, "ga", "DELETE", permissionGrants+"/{mine}", "")
	s.want(t, 404, "ga", "GET", permissionGrants+"/{mine}", "")
	s.want(t, 404, "ga", "DELETE", permissionGrants+"/{mine}", "")
	s.want(t, 404, "ga", "PATCH", permissionGrants+"/{mine}", `{"scope":"Read"}`)
}

func TestPermissionGrantsAreFound(t *testing.T) {
	s := consented(t)
	s.app(t, "other")
	s.as(t, "mine", permissionGrants, grantBody())
	s.as(t, "all", permissionGrants, grantBody("consentType", `"AllPrincipals"`, "principalId", "null"))
	s.as(t, "others", permissionGrants, grantBody("clientId", `"{other.sp}"`))
	c := s.callers["member"]
	c.ObjectID, c.Subject = s.names["u"], s.names["u"]
	s.callers["u"] = c
	for path, want := range map[string][]string{
		permissionGrants: {"mine", "all", "others"},
		permissionGrants + query("$filter", "clientId eq '{c.sp}'"):                                                           {"mine", "all"},
		permissionGrants + query("$filter", "clientId eq '{c.sp}' and consentType eq 'AllPrincipals'"):                        {"all"},
		permissionGrants + query("$filter", "clientId eq '{c.sp}' and resourceId eq '{r.sp}' and consentType eq 'Principal'"): {"mine"},
		permissionGrants + query("$filter", "principalId eq '{u}'"):                                                           {"mine", "others"},
		permissionGrants + query("$filter", "principalId eq '{u}' and clientId eq '{other.sp}'"):                              {"others"},
		permissionGrants + query("$filter", "resourceId eq '{r.sp}'"):                                                         {"mine", "all", "others"},
		permissionGrants + query("$filter", "consentType eq 'AllPrincipals'"):                                                 {"all"},
		permissionGrants + query("$filter", "clientId eq '00000000-0000-4000-8000-000000000001'"):                             {},
		permissionGrants + query("$filter", "clientId eq '{c.sp}' or clientId eq '{other.sp}'"):                               {"mine", "all", "others"},
		"servicePrincipals/{c.sp}/" + permissionGrants:                                                                        {"mine", "all"},
		"servicePrincipals(appId='{other.appid}')/" + permissionGrants:                                                        {"others"},
		"users/{u}/" + permissionGrants:                                                                                       {"mine", "others"},
		"users/u@midas.test/" + permissionGrants:                                                                              {"mine", "others"},
	} {
		path = strings.NewReplacer("%7B", "{", "%7D", "}").Replace(path)
		got := s.want(t, 200, "member", "GET", path, "").values("id")
		ids := []string{}
		for _, name := range want {
			ids = append(ids, s.names[name])
		}
		slices.Sort(got)
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if got := s.want(t, 200, "u", "GET", "me/"+permissionGrants, "").values("id"); len(got) != 2 {
		t.Errorf("me: %v", got)
	}
	// Pages, and grants whose client, resource or user was deleted.
	seen := map[string]bool{}
	for path := permissionGrants + "?$top=1"; path != ""; {
		page := s.want(t, 200, "ga", "GET", path, "")
		for _, id := range page.values("id") {
			seen[id] = true
		}
		next, _ := page["@odata.nextLink"].(string)
		path = strings.TrimPrefix(next, origin+"/v1.0/")
	}
	if len(seen) != 3 {
		t.Errorf("by pages: %d", len(seen))
	}
	s.want(t, 204, "ga", "DELETE", "servicePrincipals/{other.sp}", "")
	s.want(t, 404, "ga", "GET", permissionGrants+"/{others}", "")
	if got := s.want(t, 200, "ga", "GET", permissionGrants, "").values("id"); len(got) != 2 {
		t.Errorf("after the client was deleted: %v", got)
	}
	s.want(t, 204, "ga", "DELETE", "users/{u}", "")
	if got := s.want(t, 200, "ga", "GET", permissionGrants, "").values("id"); !slices.Equal(got, []string{s.names["all"]}) {
		t.Errorf("after the user was deleted: %v", got)
	}
	s.want(t, 204, "ga", "DELETE", "applications/{r}", "")
	if got := s.want(t, 200, "ga", "GET", permissionGrants, "").values("id"); len(got) != 0 {
		t.Errorf("after the resource was deleted: %v", got)
	}
}

func TestInvalidPermissionGrantsAreRefused(t *testing.T) {
	s := consented(t)
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"no client":             {400, grantBody("clientId", "")},
		"client is no id":       {400, grantBody("clientId", `"x"`)},
		"client is an app":      {404, grantBody("clientId", `"{c}"`)},
		"client does not exist": {404, grantBody("clientId", `"00000000-0000-4000-8000-000000000001"`)},
		"client is a number":    {400, grantBody("clientId", `7`)},
		"client is Graph":       {400, grantBody("clientId", `"{graph}"`)},
		"client is an identity": {400, grantBody("clientId", `"{nobody}"`)},
		"no resource":           {400, grantBody("resourceId", "null")},
		"resource is a user":    {404, grantBody("resourceId", `"{u}"`)},
		"no principal":          {400, grantBody("principalId", "")},
		"principal is no user":  {404, grantBody("principalId", `"{c.sp}"`)},
		"for all, and one":      {400, grantBody("consentType", `"AllPrincipals"`)},
		"no consent type":       {400, grantBody("consentType", "")},
		"consent type in lower": {400, grantBody("consentType", `"principal"`)},
		"no scope":              {400, grantBody("scope", "")},
		"scope of spaces":       {400, grantBody("scope", `"  "`)},
		"scope with a resource": {400, grantBody("scope", `"https://x/Read"`)},
		"scope is a list":       {400, grantBody("scope", `["Read"]`)},
		"scope without end":     {400, grantBody("scope", `"`+strings.Repeat("x", 5000)+`"`)},
		"id":                    {400, grantBody("id", `"x"`)},
		"unknown":               {400, grantBody("wat", `"x"`)},
	} {
		if w := s.send(t, "ga", "POST", permissionGrants, test.body); w.Code != test.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, test.status, w.Body)
		}
	}
	s.as(t, "mine", permissionGrants, grantBody())
	for _, body := range []string{`{"scope":""}`, `{"scope":null}`, `{"scope":7}`, `{"clientId":"{r.sp}"}`, `{"consentType":"AllPrincipals"}`, `{"scope":"a/b"}`} {
		s.want(t, 400, "ga", "PATCH", permissionGrants+"/{mine}", body)
	}
	if got := s.want(t, 200, "ga", "GET", permissionGrants+"/{mine}", ""); got["scope"] != "Read Write" {
		t.Errorf("%v", got)
	}
	// Grants of other tenants are not found.
	s.want(t, 404, "stranger", "GET", permissionGrants+"/{mine}", "")
	s.want(t, 404, "stranger", "DELETE", permissionGrants+"/{mine}", "")
	s.want(t, 404, "stranger", "POST", permissionGrants, grantBody())
}

// TestWritingPermissionGrantsNeedsItsPrivilege sends requests as each caller and with each directory role.
func TestWritingPermissionGrantsNeedsItsPrivilege(t *testing.T) {
	s := consented(t)
	for _, role := range directory.DirectoryRoles() {
		s.addPrincipal(t, role.DisplayName, tenant, role.ID)
	}
	writers := []string{"ga", "appadmin", "cloudadmin", "roleadmin", "consent.rw", "Global Administrator", "Application Administrator", "Cloud Application Administrator", "Privileged Role Administrator"}
	s.want(t, 204, "ga", "POST", "servicePrincipals/{c.sp}/owners/$ref", ref("member"))
	for caller := range s.callers {
		if caller == "stranger" {
			continue
		}
		if !slices.Contains(writers, caller) {
			s.as(t, "mine", permissionGrants, grantBody())
			s.want(t, 403, caller, "POST", permissionGrants, grantBody())
			s.want(t, 403, caller, "PATCH", permissionGrants+"/{mine}", `{"scope":"More"}`)
			s.want(t, 403, caller, "DELETE", permissionGrants+"/{mine}", "")
			s.want(t, 204, "ga", "DELETE", permissionGrants+"/{mine}", "")
			continue
		}
		id := s.want(t, 201, caller, "POST", permissionGrants, grantBody())["id"].(string)
		s.want(t, 204, caller, "PATCH", permissionGrants+"/"+id, `{"scope":"More"}`)
		s.want(t, 204, caller, "DELETE", permissionGrants+"/"+id, "")
	}
}

// TestDelegatedPermissionsLimitTheUser checks that a client with few permissions limits an administrator's token.
func TestDelegatedPermissionsLimitTheUser(t *testing.T) {
	s := populated(t)
	s.app(t, "own")
	requests := map[string][2]string{
		"me":         {"GET", "me"},
		"my groups":  {"GET", "me/memberOf"},
		"my groups'": {"POST", "me/getMemberGroups"},
		"tenant":     {"GET", "organization"},
		"user":       {"GET", "users/{u}"},
		"group":      {"GET", "groups/{g}"},
		"app":        {"GET", "applications/{a}"},
		"roles":      {"GET", "directoryRoles"},
		"write user": {"PATCH", "users/{u}"},
		"own app":    {"PATCH", "applications/{own}"},
		"secret":     {"POST", "applications/{own}/addPassword"},
		"password":   {"POST", "me/changePassword"},
		"grant":      {"POST", permissionGrants},
		"role":       {"POST", "roleManagement/directory/roleAssignments"},
		"app role":   {"POST", "servicePrincipals/{p}/appRoleAssignments"},
	}
	all := []string{}
	for name := range requests {
		all = append(all, name)
	}
	self := []string{"me", "my groups", "my groups'", "tenant"}
	for scopes, allowed := range map[string][]string{
		"":                                     {},
		"openid profile email offline_access":  {},
		"Things.Read":                          {},
		"User.Read":                            self,
		"User.Read openid":                     self,
		"User.ReadWrite":                       self,
		"user_impersonation":                   all,
		"Directory.AccessAsUser.All":           all,
		"User.Read Directory.AccessAsUser.All": all,
		"User.ReadBasic.All":                   append(slices.Clone(self), "user"),
		"User.Read.All":                        append(slices.Clone(self), "user"),
		"User.ReadWrite.All":                   append(slices.Clone(self), "user", "write user"),
		"User.Read Group.Read.All":             append(slices.Clone(self), "group"),
		"User.Read Application.ReadWrite.All":  append(slices.Clone(self), "app", "own app", "secret"),
		"User.Read Directory.Read.All":         append(slices.Clone(self), "user", "group", "app", "roles"),
		"User.Read DelegatedPermissionGrant.ReadWrite.All": append(slices.Clone(self), "grant"),
		"RoleManagement.ReadWrite.Directory":               {"tenant", "roles", "role"},
		"AppRoleAssignment.ReadWrite.All":                  {"tenant", "app", "app role"},
	} {
		c := s.callers["ga"]
		c.Scopes = scopes
		s.callers["client"] = c
		for name, r := range requests {
			w := s.send(t, "client", r[0], r[1], `{}`)
			if w.Code >= 500 || w.Code == 401 || w.Code == 404 {
				t.Fatalf("%s: status %d %s", name, w.Code, w.Body)
			}
			if may := w.Code != 403; may != slices.Contains(allowed, name) {
				t.Errorf("scp %q, %s: status %d %s", scopes, name, w.Code, w.Body)
			}
		}
	}
	// Permissions never extend the user's own rights.
	c := s.callers["member"]
	c.Scopes = "Directory.AccessAsUser.All RoleManagement.ReadWrite.Directory User.ReadWrite.All"
	s.callers["client"] = c
	s.want(t, 403, "client", "PATCH", "users/{u}", `{}`)
	s.want(t, 403, "client", "POST", permissionGrants, grantBody("clientId", `"{p}"`))
}

// TestResourcesShowTheirPermissions reads the permissions as clients do before they create a grant.
func TestResourcesShowTheirPermissions(t *testing.T) {
	s := populated(t)
	got := s.want(t, 200, "member", "GET", "servicePrincipals(appId='"+directory.GraphAppID+"')", "")
	list, _ := got["oauth2PermissionScopes"].([]any)
	found := slices.ContainsFunc(list, func(v any) bool {
		p := v.(map[string]any)
		return p["value"] == "User.Read" && p["id"] == "e1fe6dd8-ba31-4d61-89e7-88639da4683d" && p["type"] == "User" && p["isEnabled"] == true && p["adminConsentDisplayName"] != ""
	})
	if !found {
		t.Errorf("%v", list)
	}
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"api":{"oauth2PermissionScopes":[{"id":"22222222-0000-4000-8000-000000000001","value":"Read","type":"User","isEnabled":true,"adminConsentDisplayName":"d","adminConsentDescription":"t"}]}}`)
	got = s.want(t, 200, "member", "GET", "servicePrincipals/{p}", "")
	if list, _ = got["oauth2PermissionScopes"].([]any); len(list) != 1 || list[0].(map[string]any)["value"] != "Read" {
		t.Errorf("%v", list)
	}
}
