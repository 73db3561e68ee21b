package graph_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
)

const eventual = "ConsistencyLevel: eventual"

// several creates users with the names n0, n1, … and groups a, B, c.
func several(t testing.TB, n int) *stack {
	s := newStack(t)
	s.update(t, func(tx store.Tx) error {
		for i := range n {
			err := s.directory.CreateUser(tx, directory.User{
				ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), TenantID: tenant, DisplayName: fmt.Sprintf("n%d", i), Department: "many",
				UserPrincipalName: fmt.Sprintf("n%d@midas.test", i), Enabled: i%2 == 0,
			}, "")
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

func TestFilters(t *testing.T) {
	s := several(t, 4)
	s.app(t, "It's")
	s.want(t, 204, "ga", "PATCH", "applications/{It's}", `{"identifierUris":["api://it"],"signInAudience":"AzureADMultipleOrgs"}`)
	s.group(t, "Alpha")
	s.group(t, "Beta")
	for _, test := range []struct {
		path, filter string
		want         []string
	}{
		{"users", "displayName eq 'n1'", []string{"n1"}},
		{"users", "displayName eq 'N1'", []string{"n1"}},
		{"users", "userPrincipalName eq 'N2@MIDAS.test'", []string{"n2"}},
		{"users", "userPrincipalName eq 'n2@midas.test' and displayName eq 'n1'", []string{}},
		{"users", "id eq '00000000-0000-4000-8000-000000000003'", []string{"n3"}},
		{"users", "id in ('00000000-0000-4000-8000-000000000003','00000000-0000-4000-8000-000000000000')", []string{"n0", "n3"}},
		{"users", "startswith(displayName,'n')", []string{"n0", "n1", "n2", "n3", "nobody?"}},
		{"users", "department eq 'many' and accountEnabled eq false", []string{"n1", "n3"}},
		{"users", "department eq 'many' and not (accountEnabled eq false or displayName eq 'n0')", []string{"n2"}},
		{"users", "department eq 'many' and not startswith(displayName, 'n0') and displayName ne 'n1' and accountEnabled eq true", []string{"n2"}},
		{"users", "endswith(userPrincipalName,'0@midas.test')", []string{"n0"}},
		{"users", "department ne null", []string{"n0", "n1", "n2", "n3"}},
		{"users", "department eq null and displayName eq 'ga'", []string{"ga"}},
		{"users", "createdDateTime lt 2001-01-01T00:00:00Z", []string{}},
		{"users", "department eq 'many' and createdDateTime ge 2001-01-01T00:00:00Z and displayName le 'n1'", []string{"n0", "n1"}},
		{"users", "startswith(displayName,'n0') eq true", []string{"n0"}},
		{"groups", "displayName eq 'Alpha' and mailNickname eq 'nick'", []string{"Alpha"}},
		{"groups", "securityEnabled eq true and mailEnabled eq false", []string{"Alpha", "Beta"}},
		{"applications", "displayName eq 'It''s'", []string{"It's"}},
		{"applications", "appId eq '{It's.appid}'", []string{"It's"}},
		{"applications", "identifierUris/any(x:x eq 'api://it')", []string{"It's"}},
		{"applications", "identifierUris/any(uri:startswith(uri,'api://'))", []string{"It's"}},
		{"servicePrincipals", "servicePrincipalNames/any(c:c eq 'api://it')", []string{"It's"}},
		{"servicePrincipals", "servicePrincipalNames/any(c:c eq '{It's.appid}')", []string{"It's"}},
		{"servicePrincipals", "servicePrincipalNames/any(c:c eq 'non-exist-sp-name')", []string{}},
		{"servicePrincipals", "displayName eq 'Microsoft Graph'", []string{"Microsoft Graph"}},
		{"servicePrincipals", "appId eq '" + directory.GraphAppID + "'", []string{"Microsoft Graph"}},
		{"servicePrincipals", "servicePrincipalType eq 'ManagedIdentity' and displayName eq 'nobody'", []string{"nobody"}},
		{"servicePrincipals", "alternativeNames/any(a:a eq '/subscriptions/x/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader')", []string{"reader"}},
	} {
		got := sorted(s.want(t, 200, "ga", "GET", test.path+query("$filter", s.fill(test.filter)), "").values("displayName"))
		want := slices.DeleteFunc(test.want, func(n string) bool { return strings.HasSuffix(n, "?") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s $filter=%s (-want +got):\n%s", test.path, test.filter, diff)
		}
	}
}

func TestUnsupportedQueriesAreRefused(t *testing.T) {
	s := newStack(t)
	for _, test := range []struct{ path, option, value, code string }{
		{"users", "$filter", "nonsense eq 'x'", "Request_UnsupportedQuery"},
		{"users", "$filter", "passwordProfile eq null", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName eq", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName eq 'x", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName eq 'x' and", "Request_UnsupportedQuery"},
		{"users", "$filter", "(displayName eq 'x'", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName eq x", "Request_UnsupportedQuery"},
		{"users", "$filter", "accountEnabled eq 'true'", "Request_UnsupportedQuery"},
		{"users", "$filter", "createdDateTime ge 'x'", "Request_UnsupportedQuery"},
		{"users", "$filter", "contains(displayName,'x')", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName/any(c:c eq 'x')", "Request_UnsupportedQuery"},
		{"users", "$filter", "", "Request_UnsupportedQuery"},
		{"users", "$filter", strings.Repeat("(", 40) + "displayName eq 'x'" + strings.Repeat(")", 40), "Request_UnsupportedQuery"},
		{"users", "$filter", strings.Repeat("not ", 100) + "displayName eq 'x'", "Request_UnsupportedQuery"},
		{"users", "$filter", "displayName eq 'x'" + strings.Repeat(" or displayName eq 'x'", 100), "Request_UnsupportedQuery"},
		{"servicePrincipals", "$filter", "servicePrincipalNames eq 'x'", "Request_UnsupportedQuery"},
		{"servicePrincipals", "$filter", "servicePrincipalNames/any(c:d eq 'x')", "Request_UnsupportedQuery"},
		{"servicePrincipals", "$filter", "servicePrincipalNames/all(c:c eq 'x')", "Request_UnsupportedQuery"},
		{"users", "$orderby", "nonsense", "Request_UnsupportedQuery"},
		{"users", "$orderby", "displayName sideways", "Request_UnsupportedQuery"},
		{"users", "$orderby", "accountEnabled", "Request_UnsupportedQuery"},
		{"users", "$expand", "manager", "Request_UnsupportedQuery"},
		{"users", "$skip", "3", "Request_UnsupportedQuery"},
		{"users", "$nonsense", "3", "Request_UnsupportedQuery"},
		{"users", "$search", `"displayName:x"`, "Request_UnsupportedQuery"}, // without the header
		{"users", "$select", "nonsense", "BadRequest"},
		{"users", "$top", "0", "Request_BadRequest"},
		{"users", "$top", "1000", "Request_BadRequest"},
		{"users", "$top", "x", "Request_BadRequest"},
		{"users", "$count", "maybe", "Request_BadRequest"},
		{"users", "$skiptoken", "x", "Directory_ExpiredPageToken"},
		{"users/{ga}", "$filter", "displayName eq 'x'", "Request_UnsupportedQuery"},
		{"users/{ga}", "$expand", "memberOf", "Request_UnsupportedQuery"},
	} {
		got := s.want(t, 400, "ga", "GET", test.path+query(test.option, test.value), "")
		if got.error() != test.code {
			t.Errorf("%s %s=%s: %s, want %s", test.path, test.option, test.value, got.error(), test.code)
		}
	}
	s.want(t, 400, "ga", "GET", "users?$top=1&$top=2", "")
	s.want(t, 400, "ga", "GET", "users?$filter=%zz", "")
	s.want(t, 200, "ga", "GET", "users?api-version=1.6&unknown=1", "") // not an option
}

// pages follows a list to its end.
func (s *stack) pages(t *testing.T, path string, headers ...string) (names []string, sizes []int) {
	t.Helper()
	for range 100 {
		a := s.want(t, 200, "ga", "GET", path, "", headers...)
		names, sizes = append(names, a.values("displayName")...), append(sizes, len(a.values("id")))
		next, more := a["@odata.nextLink"].(string)
		if !more {
			return names, sizes
		}
		u, err := url.Parse(next)
		must(t, err)
		if u.Host != "server.midas.test" {
			t.Fatalf("the next page is at %s", next)
		}
		path = u.RequestURI()
	}
	t.Fatal("the list does not end")
	return nil, nil
}

func TestPages(t *testing.T) {
	s := several(t, 7)
	many := "&$filter=department%20eq%20'many'"
	names, sizes := s.pages(t, "users?$top=3"+many)
	if diff := cmp.Diff([]string{"n0", "n1", "n2", "n3", "n4", "n5", "n6"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{3, 3, 1}, sizes); diff != "" {
		t.Error(diff)
	}
	names, _ = s.pages(t, "users?$top=2&$orderby=displayName%20desc"+many)
	if diff := cmp.Diff([]string{"n6", "n5", "n4", "n3", "n2", "n1", "n0"}, names); diff != "" {
		t.Error(diff)
	}
	if _, sizes = s.pages(t, "users?$top=7"+many); !slices.Equal(sizes, []int{7}) {
		t.Errorf("a page that just fits: %v", sizes)
	}
	all, _ := s.pages(t, "servicePrincipals?$top=1")
	if want := 3 + len(principals) + len(appRoles); len(all) != want || len(slices.Compact(sorted(all))) != want {
		t.Errorf("%d principals one by one, want %d: %v", len(all), want, all)
	}
	first := s.want(t, 200, "ga", "GET", "users?$top=3"+many, "")
	next, err := url.Parse(first["@odata.nextLink"].(string))
	must(t, err)
	stolen := next.Query().Get("$skiptoken")
	for _, path := range []string{"groups" + query("$skiptoken", stolen), "users" + query("$skiptoken", stolen), "users?$top=4" + many + "&$skiptoken=" + stolen} {
		if got := s.want(t, 400, "ga", "GET", path, "").error(); got != "Directory_ExpiredPageToken" {
			t.Errorf("a page token of another list: %s", got)
		}
	}
}

func TestCountsAndSearch(t *testing.T) {
	s := several(t, 5)
	a := s.want(t, 200, "ga", "GET", "users"+query("$count", "true", "$top", "2", "$filter", "department eq 'many'"), "", eventual)
	if a["@odata.count"] != 5.0 || len(a.values("id")) != 2 {
		t.Errorf("%v", a)
	}
	if a := s.want(t, 200, "ga", "GET", "users?$count=true", ""); a["@odata.count"] != nil {
		t.Errorf("$count without ConsistencyLevel: %v", a["@odata.count"])
	}
	if w := s.send(t, "ga", "GET", "groups/$count", "", eventual); w.Code != 200 || w.Body.String() != "0" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.want(t, 400, "ga", "GET", "groups/$count", "")
	for search, want := range map[string][]string{
		`"displayName:N3"`:                                {"n3"},
		`"displayName:n1" OR "displayName:n2"`:            {"n1", "n2"},
		`"displayName:n" AND "userPrincipalName:4@midas"`: {"n4"},
		`"displayName:n1" AND "userPrincipalName:n2@"`:    {},
	} {
		if diff := cmp.Diff(want, s.want(t, 200, "ga", "GET", "users"+query("$search", search), "", eventual).values("displayName")); diff != "" {
			t.Errorf("%s: %s", search, diff)
		}
	}
	for _, search := range []string{`displayName:x`, `"displayName"`, `"displayName:x`, `"displayName:a" OR "mail:b" AND "mail:c"`, `"nonsense:x"`, ``} {
		s.want(t, 400, "ga", "GET", "users"+query("$search", search), "", eventual)
	}
}

func TestSelect(t *testing.T) {
	s := newStack(t)
	a := s.want(t, 200, "ga", "GET", "users/{ga}?$select=id,accountEnabled", "")
	want := answer{"@odata.context": origin + "/v1.0/$metadata#users(id,accountEnabled)/$entity", "id": s.names["ga"], "accountEnabled": true}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	for _, v := range s.want(t, 200, "ga", "GET", "users?$select=displayName", "")["value"].([]any) {
		if len(v.(map[string]any)) != 1 {
			t.Errorf("%v", v)
		}
	}
}

func TestLinksUseTheHostOfTheRequest(t *testing.T) {
	s := several(t, 3)
	r := s.send(t, "ga", "GET", "users?$top=1", "")
	if got := decode(t, r)["@odata.context"]; got != origin+"/v1.0/$metadata#users" {
		t.Error(got)
	}
	a := s.want(t, 200, "ga", "GET", "users?$top=1", "", "Host: graph.microsoft.com")
	for _, name := range []string{"@odata.context", "@odata.nextLink"} {
		if got, _ := a[name].(string); !strings.HasPrefix(got, "https://graph.microsoft.com/v1.0/") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
