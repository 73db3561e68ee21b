package management_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	mg20  = "?api-version=2021-04-01"
	mg    = "/providers/Microsoft.Management/managementGroups/"
	alias = "/providers/Microsoft.Subscription/aliases/"
	al21  = "?api-version=2021-10-01"
)

// group makes a management group, and follows its operation.
func (s *stack) group(t *testing.T, caller, name, parent string) {
	t.Helper()
	body := `{"properties":{"details":{"parent":{}}}}`
	if parent != "" {
		body = `{"properties":{"details":{"parent":{"id":"` + mg + parent + `"}}}}`
	}
	w := s.want(t, 202, caller, "PUT", mg+name+mg20, body)
	for _, header := range []string{"Location", "Azure-AsyncOperation"} {
		poll := strings.TrimPrefix(w.Header().Get(header), origin)
		if body := s.want(t, 200, caller, "GET", poll, "").Body.String(); !strings.Contains(body, `"status":"Succeeded"`) {
			t.Errorf("%s: %s", poll, body)
		}
	}
}

func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Error struct{ Code string } }
	decode(t, w, &body)
	return body.Error.Code
}

// TestManagementGroupCreatorIsOwner has a caller without any role make a group below the root group.
func TestManagementGroupCreatorIsOwner(t *testing.T) {
	s := newStack(t)
	s.group(t, "nobody", "Platform", "")
	s.want(t, 200, "nobody", "GET", mg+"platform"+mg20, "")
	s.want(t, 403, "owner", "GET", mg+"platform"+mg20, "") // Owner of a subscription only
	s.group(t, "nobody", "child", "PLATFORM")
	var g struct {
		Name       string
		Properties struct {
			DisplayName string
			TenantID    string
			Details     struct {
				Version                       int
				Parent                        struct{ ID, Name, DisplayName string }
				ManagementGroupAncestors      []string
				ManagementGroupAncestorsChain []struct{ Name string }
				Path                          []struct{ Name string }
			}
			Children []struct {
				Type, Name string
				Children   []struct{ Type, Name string }
			}
		}
	}
	decode(t, s.want(t, 200, "nobody", "GET", mg+"CHILD"+mg20+"&$expand=ancestors", ""), &g)
	if g.Name != "child" || g.Properties.Details.Parent.ID != mg+"Platform" || fmt.Sprint(g.Properties.Details.ManagementGroupAncestors) != "[Platform "+tenant+"]" {
		t.Errorf("child: %+v", g)
	}
	decode(t, s.want(t, 200, "nobody", "GET", mg+"child"+mg20+"&$expand=path", ""), &g)
	if p := g.Properties.Details.Path; len(p) != 3 || p[0].Name != tenant || p[2].Name != "child" {
		t.Errorf("path: %+v", p)
	}
	decode(t, s.want(t, 200, "nobody", "GET", mg+"platform"+mg20+"&$expand=children&$recurse=true", ""), &g)
	if c := g.Properties.Children; len(c) != 1 || c[0].Name != "child" || c[0].Type != "Microsoft.Management/managementGroups" {
		t.Errorf("children: %+v", c)
	}
	s.want(t, 400, "nobody", "GET", mg+"platform"+mg20+"&$recurse=true", "")
	s.want(t, 403, "nobody", "GET", mg+tenant+mg20, "")
}

// TestAssignmentAtManagementGroupReachesSubscriptions moves a subscription, and rights change with the next request.
func TestAssignmentAtManagementGroupReachesSubscriptions(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "apps", "")
	s.addCaller(t, "outsider")
	s.assign(t, "outsider", "Reader", mg+"apps")
	const rg = "{sub}/resourceGroups" + core
	s.want(t, 403, "outsider", "GET", rg, "")
	w := s.want(t, 200, "owner", "PUT", mg+"apps/subscriptions/"+sub+mg20, "")
	if !strings.Contains(w.Body.String(), `"state":"Active"`) {
		t.Errorf("the subscription below the group: %s", w.Body)
	}
	s.want(t, 200, "outsider", "GET", rg, "")
	if w := s.want(t, 200, "outsider", "GET", "/subscriptions"+core, ""); !strings.Contains(w.Body.String(), sub) {
		t.Errorf("subscriptions: %s", w.Body)
	}
	s.want(t, 200, "owner", "GET", mg+"apps/subscriptions/"+sub+mg20, "")
	if w := s.want(t, 200, "owner", "GET", mg+"apps/descendants"+mg20, ""); !strings.Contains(w.Body.String(), "/subscriptions/"+sub) {
		t.Errorf("descendants: %s", w.Body)
	}
	if c := code(t, s.want(t, 400, "owner", "DELETE", mg+"apps"+mg20, "")); c != "BadRequest" {
		t.Errorf("deletion of a group with a subscription: %s", c)
	}
	s.want(t, 200, "owner", "DELETE", mg+"apps/subscriptions/"+sub+mg20, "")
	s.want(t, 204, "owner", "DELETE", mg+"apps/subscriptions/"+sub+mg20, "")
	s.want(t, 403, "outsider", "GET", rg, "")
	w = s.want(t, 202, "owner", "DELETE", mg+"apps"+mg20, "")
	s.want(t, 204, "owner", "GET", strings.TrimPrefix(w.Header().Get("Location"), origin), "")
	s.want(t, 403, "reader", "GET", strings.TrimPrefix(w.Header().Get("Location"), origin), "")
	s.group(t, "nobody", "apps", "") // the group of the same name has none of the old assignments
	s.want(t, 403, "owner", "GET", mg+"apps"+mg20, "")
	s.want(t, 403, "outsider", "GET", mg+"apps"+mg20, "")
}

// TestMovesNeedRightsOnAllSides tries to get rights by moves. The owner of a group must not get a subscription into it.
func TestMovesNeedRightsOnAllSides(t *testing.T) {
	s := newStack(t)
	s.group(t, "nobody", "trap", "")
	s.group(t, "owner", "safe", "")
	for _, caller := range []string{"nobody", "reader", "contributor"} {
		if _, known := s.callers[caller]; !known {
			s.addCaller(t, caller)
			s.assign(t, caller, "Contributor", "/subscriptions/"+sub)
		}
		if caller != "nobody" {
			s.assign(t, caller, "Owner", mg+"trap")
		}
		s.want(t, 403, caller, "PUT", mg+"trap/subscriptions/"+sub+mg20, "")
	}
	s.want(t, 403, "owner", "PUT", mg+"trap/subscriptions/"+sub+mg20, "")
	const below = `{"properties":{"details":{"parent":{"id":"` + mg + `%s"}}}}`
	s.want(t, 403, "nobody", "PUT", mg+"trap"+mg20, fmt.Sprintf(below, "safe"))
	s.want(t, 403, "nobody", "PUT", mg+"safe"+mg20, fmt.Sprintf(below, "trap"))
	s.want(t, 403, "nobody", "PUT", mg+"new"+mg20, fmt.Sprintf(below, "safe"))
	s.want(t, 403, "nobody", "PATCH", mg+"safe"+mg20, `{"displayName":"x"}`)
	s.want(t, 403, "nobody", "DELETE", mg+"safe"+mg20, "")
	s.want(t, 403, "nobody", "PUT", mg+tenant+"/settings/default"+mg20, `{"properties":{}}`)
	s.want(t, 200, "owner", "PATCH", mg+"safe"+mg20, `{"displayName":"Safe"}`)
	s.assign(t, "owner", "Contributor", mg+"trap")
	s.want(t, 200, "owner", "PATCH", mg+"safe"+mg20, `{"parentGroupId":"`+mg+`trap"}`)
}

// TestManagementGroupBadInput has the 400s and 404s.
func TestManagementGroupBadInput(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "a", "")
	s.assign(t, "owner", "Owner", mg+tenant)
	parent := ""
	for i := range 6 {
		name := fmt.Sprint("level", i)
		s.group(t, "owner", name, parent)
		parent = name
	}
	const below = `{"properties":{"details":{"parent":{"id":"%s"}}}}`
	long := strings.Repeat("x", 91)
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", mg + "x", ``, 400},
		{"PUT", mg + "x", `[]`, 400},
		{"PUT", mg + "x", `{"name":"y"}`, 400},
		{"PUT", mg + "x", `{"properties":{"displayName":""}}`, 400},
		{"PUT", mg + "x", `{"properties":{"displayName":"` + long + `"}}`, 400},
		{"PUT", mg + long, `{}`, 400},
		{"PUT", mg + "-x", `{}`, 400},
		{"PUT", mg + "x.", `{}`, 400},
		{"PUT", mg + "x%20y", `{}`, 400},
		{"PUT", mg + "%C3%A4", `{}`, 400},
		{"PUT", mg + "x", fmt.Sprintf(below, mg+"none"), 400},
		{"PUT", mg + "x", fmt.Sprintf(below, "/subscriptions/"+sub), 400},
		{"PUT", mg + "x", fmt.Sprintf(below, mg+"level5"), 400}, // the seventh level
		{"PUT", mg + "a", fmt.Sprintf(below, mg+"level5"), 400},
		{"PUT", mg + "level0", fmt.Sprintf(below, mg+"level3"), 400}, // a cycle
		{"PUT", mg + "a", fmt.Sprintf(below, mg+"A"), 400},
		{"PATCH", mg + tenant, `{"parentGroupId":"` + mg + `a"}`, 400},
		{"PATCH", mg + "none", `{"displayName":"x"}`, 404},
		{"DELETE", mg + tenant, ``, 400},
		{"DELETE", mg + "none", ``, 204},
		{"DELETE", mg + "level0", ``, 400},
		{"GET", mg + "none", ``, 404},
		{"GET", mg + "none/descendants", ``, 404},
		{"GET", mg + "none/subscriptions", ``, 404},
		{"GET", mg + "a/subscriptions/" + sub, ``, 404},
		{"GET", mg + tenant + "/subscriptions/" + sub, ``, 200},
		{"PUT", mg + "a/subscriptions/none", ``, 404},
		{"PUT", mg + "a/subscriptions/" + otherSub, ``, 404},
		{"GET", mg + "a/settings/default", ``, 400},
		{"GET", mg + tenant + "/settings/default", ``, 404},
		{"PUT", mg + tenant + "/settings/default", `{"properties":{"defaultManagementGroup":"` + mg + `none"}}`, 400},
		{"PUT", mg + tenant + "/settings/default", `{"properties":{"requireAuthorizationForGroupCreation":true,"defaultManagementGroup":"` + mg + `a"}}`, 200},
		{"GET", mg + tenant + "/settings", ``, 200},
		{"PATCH", mg + tenant + "/settings/default", `{"properties":{"defaultManagementGroup":"` + mg + tenant + `"}}`, 200},
		{"PUT", mg + "x", `{}`, 202},
		{"POST", "/providers/Microsoft.Management/getEntities", ``, 200},
		{"POST", "/providers/Microsoft.Management/tenantBackfillStatus", ``, 200},
	} {
		if w := s.do(t, "owner", row.method, row.path+mg20, row.body); w.Code != row.status {
			t.Errorf("%s %s %s: %d %s", row.method, row.path, row.body, w.Code, w.Body)
		}
	}
	s.want(t, 403, "nobody", "PUT", mg+"y"+mg20, `{}`) // the settings require authorization
	s.want(t, 200, "owner", "DELETE", mg+tenant+"/settings/default"+mg20, ``)
	s.group(t, "nobody", "y", "")
}

// TestCheckGroupName asks whether names are free.
func TestCheckGroupName(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "taken", "")
	for name, want := range map[string]string{"free": "true", "TAKEN": "AlreadyExists", "bad/name": "Invalid", "": "Invalid", tenant: "AlreadyExists"} {
		body, _ := json.Marshal(map[string]string{"name": name, "type": "Microsoft.Management/managementGroups"})
		if w := s.want(t, 200, "nobody", "POST", "/providers/Microsoft.Management/checkNameAvailability"+mg20, string(body)); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %s", name, w.Body)
		}
	}
}

// TestManagementGroupListsShowWhatTheCallerMayRead lists groups and entities as callers with different rights.
func TestManagementGroupListsShowWhatTheCallerMayRead(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "mine", "")
	s.group(t, "nobody", "theirs", "")
	list := func(caller string) string {
		return s.want(t, 200, caller, "GET", strings.TrimSuffix(mg, "/")+mg20, "").Body.String()
	}
	if got := list("owner"); !strings.Contains(got, "mine") || strings.Contains(got, "theirs") || strings.Contains(got, "Root") {
		t.Errorf("owner: %s", got)
	}
	s.assign(t, "reader", "Reader", mg+tenant)
	if got := list("reader"); !strings.Contains(got, "mine") || !strings.Contains(got, "theirs") || !strings.Contains(got, "Tenant Root Group") {
		t.Errorf("reader: %s", got)
	}
	if w := s.want(t, 200, "reader", "GET", strings.TrimSuffix(mg, "/")+mg20+"&$top=1", ""); !strings.Contains(w.Body.String(), "nextLink") {
		t.Errorf("a page of one: %s", w.Body)
	}
	entities := s.want(t, 200, "owner", "POST", "/providers/Microsoft.Management/getEntities"+mg20, "").Body.String()
	if !strings.Contains(entities, `"name":"mine"`) || strings.Contains(entities, "theirs") || !strings.Contains(entities, "/subscriptions/"+sub) || strings.Contains(entities, otherSub) {
		t.Errorf("entities: %s", entities)
	}
}
