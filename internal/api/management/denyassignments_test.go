package management_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/rbac"
	"midas/internal/store"
)

const (
	denyVersion = "?api-version=2024-07-01-preview"
	deniesOf    = "/providers/Microsoft.Authorization/denyAssignments/"
	everyone    = `"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}]`
)

// denyBody is the body of a deny assignment. The rest are further properties, each with a comma before it.
func denyBody(actions, principals, rest string) string {
	return `{"properties":{"denyAssignmentName":"` + uuid.NewString() + `","permissions":[{"actions":` + actions + `}],` + principals + rest + `}}`
}

// to is the principal of a caller.
func (s *stack) to(caller string) string {
	return `"principals":[{"id":"` + s.callers[caller].ID + `","type":"ServicePrincipal"}]`
}

func (s *stack) excluding(caller string) string {
	return `,"excludePrincipals":[{"id":"` + s.callers[caller].ID + `"}]`
}

func (s *stack) deny(t testing.TB, scope, body string) (path string) {
	t.Helper()
	path = scope + deniesOf + uuid.NewString()
	s.want(t, 201, "owner", "PUT", path+denyVersion, body)
	return path
}

// deniedBy fails unless a request is refused with Azure's text for a deny assignment.
func (s *stack) deniedBy(t testing.TB, path, caller, method, request, body string) {
	t.Helper()
	w := s.do(t, caller, method, request, body)
	scope, name, _ := strings.Cut(path, deniesOf)
	want := "' at scope '" + strings.ReplaceAll(scope, "{sub}", "/subscriptions/"+sub) + "'."
	if w.Code != 403 || !strings.Contains(w.Body.String(), `"DenyAssignmentAuthorizationFailed"`) || !strings.Contains(w.Body.String(), want) ||
		!strings.Contains(w.Body.String(), "has permission to perform action '") || !strings.Contains(w.Body.String(), "' and Id '"+strings.ReplaceAll(name, "-", "")+"'") {
		t.Errorf("%s %s as %s: %d %s, want a refusal by %s", method, request, caller, w.Code, w.Body, path)
	}
}

func TestDenyAssignmentsAreCreatedReadChangedAndDeleted(t *testing.T) {
	s := lockStack(t)
	for _, scope := range []string{"{sub}", lockedGroup, lockedJob, lockedStep} {
		path := scope + deniesOf + strings.ToUpper(uuid.NewString())
		body := `{"properties":{"denyAssignmentName":"No deletions","description":"ours","permissions":[{"actions":["*/delete"],"notActions":["A.B/c/delete"]}],` + everyone + s.excluding("owner") + `}}`
		var put, got struct {
			ID, Name, Type string
			Properties     map[string]any
		}
		must(t, json.Unmarshal(s.want(t, 201, "owner", "PUT", path+denyVersion, body).Body.Bytes(), &put))
		if put.Properties["denyAssignmentEffect"] != "Enforced" || put.Properties["isSystemProtected"] != false || put.Type != "Microsoft.Authorization/denyAssignments" {
			t.Errorf("created %+v", put)
		}
		excluded := put.Properties["excludePrincipals"].([]any)[0].(map[string]any)
		if excluded["type"] != "ServicePrincipal" {
			t.Errorf("the type of a principal is not looked up: %v", excluded)
		}
		for _, version := range []string{"2018-07-01-preview", "2022-04-01"} {
			must(t, json.Unmarshal(s.want(t, 200, "reader", "GET", path+"?api-version="+version, "").Body.Bytes(), &got))
			if _, has := got.Properties["denyAssignmentEffect"]; has || got.ID != put.ID {
				t.Errorf("%s: %+v", version, got)
			}
			got.Properties = nil
			s.want(t, 405, "owner", "PUT", path+"?api-version="+version, body)
			s.want(t, 405, "owner", "DELETE", path+"?api-version="+version, "")
		}
		must(t, json.Unmarshal(s.want(t, 200, "owner", "PUT", path+denyVersion, strings.Replace(body, `"permissions"`, `"denyAssignmentEffect":"audit","permissions"`, 1)).Body.Bytes(), &put))
		if put.Properties["denyAssignmentEffect"] != "Audit" {
			t.Errorf("changed %+v", put)
		}
		for _, who := range []string{"contributor", "reader", "nobody"} {
			s.want(t, 403, who, "PUT", path+denyVersion, body)
			s.want(t, 403, who, "DELETE", path+denyVersion, "")
		}
		s.want(t, 200, "owner", "DELETE", path+denyVersion, "")
		s.want(t, 204, "owner", "DELETE", path+denyVersion, "")
		if w := s.want(t, 404, "owner", "GET", path+denyVersion, ""); !strings.Contains(w.Body.String(), "DenyAssignmentNotFound") {
			t.Errorf("missing: %s", w.Body)
		}
	}
}

func TestBadDenyAssignmentsAreRefused(t *testing.T) {
	s := lockStack(t)
	ghost := uuid.NewString()
	ok := s.excluding("owner")
	path := lockedGroup + deniesOf + uuid.NewString()
	for name, c := range map[string]struct{ body, code string }{
		"no body":             {``, "InvalidRequestContent"},
		"no name":             {`{"properties":{"permissions":[{"actions":["*"]}],` + everyone + ok + `}}`, "InvalidRequestContent"},
		"no permissions":      {`{"properties":{"denyAssignmentName":"n",` + everyone + ok + `}}`, "InvalidDenyAssignment"},
		"no actions":          {denyBody(`[]`, everyone, ok), "InvalidDenyAssignment"},
		"no principal":        {denyBody(`["*"]`, `"principals":[]`, ok), "InvalidDenyAssignment"},
		"two principals":      {denyBody(`["*"]`, `"principals":[{"id":"`+s.callers["reader"].ID+`"},{"id":"`+s.callers["owner"].ID+`"}]`, ""), "InvalidDenyAssignment"},
		"everyone":            {denyBody(`["*"]`, everyone, ""), "InvalidDenyAssignment"},
		"everyone as a user":  {denyBody(`["*"]`, strings.Replace(everyone, "SystemDefined", "User", 1), ok), "InvalidDenyAssignment"},
		"a user as everyone":  {denyBody(`["*"]`, `"principals":[{"id":"`+ghost+`","type":"SystemDefined"}]`, ok), "InvalidDenyAssignment"},
		"everyone excluded":   {denyBody(`["*"]`, s.to("reader"), `,"excludePrincipals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}]`), "InvalidDenyAssignment"},
		"itself excluded":     {denyBody(`["*"]`, s.to("reader"), s.excluding("reader")), "InvalidDenyAssignment"},
		"unknown principal":   {denyBody(`["*"]`, `"principals":[{"id":"`+ghost+`"}]`, ""), "PrincipalNotFound"},
		"wrong type":          {denyBody(`["*"]`, `"principals":[{"id":"`+s.callers["reader"].ID+`","type":"User"}]`, ""), "UnmatchedPrincipalType"},
		"no such type":        {denyBody(`["*"]`, `"principals":[{"id":"`+ghost+`","type":"Robot"}]`, ""), "InvalidPrincipalType"},
		"no GUID":             {denyBody(`["*"]`, `"principals":[{"id":"me","type":"User"}]`, ""), "InvalidPrincipalId"},
		"system protected":    {denyBody(`["*"]`, everyone, ok+`,"isSystemProtected":true`), "InvalidRequestContent"},
		"another scope":       {denyBody(`["*"]`, everyone, ok+`,"scope":"/subscriptions/`+sub+`"`), "InvalidRequestContent"},
		"no such effect":      {denyBody(`["*"]`, everyone, ok+`,"denyAssignmentEffect":"Maybe"`), "InvalidDenyAssignment"},
		"a bad action":        {denyBody(`["a b"]`, everyone, ok), "InvalidActionOrNotAction"},
		"deny to undeny":      {denyBody(`["microsoft.authorization/DenyAssignments/delete"]`, everyone, ok), "InvalidActionOrNotAction"},
		"deny all of denies":  {denyBody(`["Microsoft.Authorization/denyAssignments/*"]`, everyone, ok), "InvalidActionOrNotAction"},
		"a bad condition":     {denyBody(`["*"]`, everyone, ok+`,"condition":"@Request[a] Equals (","conditionVersion":"2.0"`), "InvalidDenyAssignmentCondition"},
		"a version alone":     {denyBody(`["*"]`, everyone, ok+`,"conditionVersion":"2.0"`), "InvalidDenyAssignmentCondition"},
		"an unknown version":  {denyBody(`["*"]`, everyone, ok+`,"condition":"@Environment[UtcNow] DateTimeGreaterThan '2020-01-01T00:00:00.0Z'","conditionVersion":"9"`), "InvalidDenyAssignmentCondition"},
		"too many exclusions": {denyBody(`["*"]`, everyone, `,"excludePrincipals":[`+strings.Repeat(`{"id":"`+ghost+`","type":"User"},`, 100)+`{"id":"`+ghost+`","type":"User"}]`), "InvalidDenyAssignment"},
		"too many actions":    {denyBody(`[`+strings.Repeat(`"A.B/c/d",`, 200)+`"A.B/c/e"]`, everyone, ok), "InvalidDenyAssignment"},
		"a long action":       {denyBody(`["`+strings.Repeat("a", 257)+`"]`, everyone, ok), "InvalidActionOrNotAction"},
	} {
		if w := s.want(t, 400, "owner", "PUT", path+denyVersion, c.body); !strings.Contains(w.Body.String(), `"`+c.code+`"`) {
			t.Errorf("%s: %s, want %s", name, w.Body, c.code)
		}
	}
	s.want(t, 404, "owner", "GET", path+denyVersion, "")
	s.want(t, 400, "owner", "PUT", lockedGroup+deniesOf+"name"+denyVersion, denyBody(`["*"]`, everyone, ok))
	s.want(t, 404, "owner", "PUT", "{sub}/resourceGroups/none"+deniesOf+uuid.NewString()+denyVersion, denyBody(`["A.B/c/d"]`, everyone, ok))
	body := denyBody(`["A.B/c/d"]`, everyone, ok)
	first := s.deny(t, lockedGroup, body)
	s.want(t, 409, "owner", "PUT", lockedGroup+deniesOf+uuid.NewString()+denyVersion, body)                                            // the same display name at the scope
	s.want(t, 409, "owner", "PUT", strings.Replace(first, lockedGroup, "{sub}", 1)+denyVersion, denyBody(`["A.B/c/d"]`, everyone, ok)) // the same GUID elsewhere
	s.deny(t, "{sub}", body)
}

// A deny assignment decides before every role, for its principal, at its scope and below.
func TestDenyAssignmentsDeny(t *testing.T) {
	s := lockStack(t)
	const uai = "Microsoft.ManagedIdentity/userAssignedIdentities/"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/other"+core, `{"location":"eastus"}`)
	d := s.deny(t, lockedGroup, denyBody(`["`+uai+`write","contoso.apps/*"]`, s.to("contributor"), ""))
	s.deniedBy(t, d, "contributor", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	s.deniedBy(t, d, "contributor", "GET", lockedStep+compute24, "")
	s.deniedBy(t, d, "contributor", "PUT", strings.ToUpper(strings.ReplaceAll(lockedGroup, "{sub}", "/subscriptions/"+sub))+"/PROVIDERS/MICROSOFT.MANAGEDIDENTITY/USERASSIGNEDIDENTITIES/APP"+someVersion, `{}`)
	s.want(t, 200, "contributor", "GET", uaiPath+"app"+someVersion, "")
	s.want(t, 200, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	s.want(t, 201, "contributor", "PUT", "{sub}/resourceGroups/other/providers/"+uai+"app"+someVersion, `{"location":"eastus"}`)
	// Whoever has no role that allows the action does not learn of the deny assignment.
	e := s.deny(t, lockedGroup, denyBody(`["*"]`, s.to("nobody"), ""))
	if w := s.want(t, 403, "nobody", "GET", uaiPath+"app"+someVersion, ""); !strings.Contains(w.Body.String(), `"AuthorizationFailed"`) {
		t.Errorf("without a role: %s", w.Body)
	}
	s.want(t, 200, "owner", "DELETE", e+denyVersion, "")
	// A change and a deletion are effective for the next request.
	s.want(t, 200, "owner", "PUT", d+denyVersion, denyBody(`["A.B/c/write"]`, s.to("contributor"), ""))
	s.want(t, 200, "contributor", "GET", lockedStep+compute24, "")
	s.want(t, 200, "owner", "PUT", d+denyVersion, denyBody(`["*"]`, s.to("contributor"), `,"doNotApplyToChildScopes":true`))
	s.deniedBy(t, d, "contributor", "GET", lockedGroup+core, "")
	s.want(t, 200, "contributor", "GET", lockedStep+compute24, "")
	s.want(t, 200, "owner", "DELETE", d+denyVersion, "")
	s.want(t, 200, "contributor", "GET", lockedGroup+core, "")
}

// Everyone but the excluded principal is denied; the actions in notActions are not.
func TestDenyToEveryone(t *testing.T) {
	s := lockStack(t)
	body := `{"properties":{"denyAssignmentName":"all","permissions":[{"actions":["*"],"notActions":["*/read"]}],` + everyone + s.excluding("contributor") + `}}`
	d := s.deny(t, "{sub}", body)
	s.deniedBy(t, d, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	s.want(t, 200, "contributor", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	s.want(t, 200, "owner", "GET", uaiPath+"app"+someVersion, "")
}

// A deny assignment for everyone, which excludes only a principal that does not exist, does not lock out: it never
// denies to read, change and delete deny assignments.
func TestNobodyIsLockedOutByADenyAssignment(t *testing.T) {
	s := lockStack(t)
	ghost := `,"excludePrincipals":[{"id":"` + uuid.NewString() + `","type":"User"}]`
	d := s.deny(t, "{sub}", denyBody(`["*"]`, everyone, ghost))
	s.deniedBy(t, d, "owner", "GET", lockedGroup+core, "")
	s.want(t, 403, "owner", "PUT", lockedGroup+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01", `{}`)
	if w := s.want(t, 200, "owner", "GET", "{sub}"+strings.TrimSuffix(deniesOf, "/")+denyVersion, ""); !strings.Contains(w.Body.String(), strings.ReplaceAll(d, "{sub}", "/subscriptions/"+sub)) {
		t.Errorf("the deny assignment is not listed: %s", w.Body)
	}
	s.want(t, 403, "contributor", "DELETE", d+denyVersion, "") // only who has the right may remove it
	s.want(t, 200, "owner", "DELETE", d+denyVersion, "")
	s.want(t, 200, "owner", "GET", lockedGroup+core, "")
}

// Whoever may not delete a resource may not delete what it lies in either.
func TestADenyBelowDeniesToDeleteTheScope(t *testing.T) {
	s := lockStack(t)
	d := s.deny(t, lockedStep, denyBody(`["*/delete"]`, s.to("contributor"), ""))
	s.deniedBy(t, d, "contributor", "DELETE", lockedJob+compute24, "")
	s.deniedBy(t, d, "contributor", "DELETE", lockedGroup+core, "")
	s.want(t, 200, "contributor", "DELETE", uaiPath+"app"+someVersion, "")
	s.want(t, 200, "owner", "DELETE", lockedJob+compute24, "")
	// The deny assignments of a deleted scope are gone, and do not come back with it.
	s.want(t, 201, "owner", "PUT", lockedJob+compute24, `{}`)
	s.want(t, 404, "owner", "GET", d+denyVersion, "")
	err := s.store.View(t.Context(), func(tx store.Tx) error {
		for _, prefix := range []string{store.DenyAssignmentKind.Keys, store.DenyAssignmentCount.Keys} {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
				must(t, err)
				t.Errorf("%s is left", rec.Key)
			}
		}
		return nil
	})
	must(t, err)
}

// A deny assignment whose condition is false does not deny; one whose condition cannot be evaluated denies.
func TestConditionsOfDenyAssignments(t *testing.T) {
	s := lockStack(t)
	for condition, denied := range map[string]bool{
		`@Environment[UtcNow] DateTimeGreaterThan '2020-01-01T00:00:00.0Z'`: true,
		`@Environment[UtcNow] DateTimeLessThan '2020-01-01T00:00:00.0Z'`:    false,
		`@Resource[A.B/c:d] StringEquals 'e'`:                               true, // absent
		`!(@Resource[A.B/c:d] StringEquals 'e')`:                            true,
		`Exists @Resource[A.B/c:d]`:                                         false,
	} {
		d := s.deny(t, lockedGroup, denyBody(`["Contoso.Apps/jobs/write"]`, s.to("contributor"), `,"conditionVersion":"2.0","condition":"`+condition+`"`))
		w := s.do(t, "contributor", "PUT", lockedJob+compute24, `{}`)
		if got := w.Code == 403; got != denied {
			t.Errorf("%s: %d %s, want denied %v", condition, w.Code, w.Body, denied)
		}
		s.want(t, 200, "owner", "DELETE", d+denyVersion, "")
	}
}

// The conditions of deny assignments and of role assignments are checked alike: the version is 2.0 if there is none, and
// an empty text means no condition.
func TestConditionsOfDenyAssignmentsAreStoredAsThoseOfRoleAssignments(t *testing.T) {
	s := lockStack(t)
	const later = `"condition":"@Environment[UtcNow] DateTimeGreaterThan '2020-01-01T00:00:00.0Z'"`
	for given, version := range map[string]any{later: "2.0", later + `,"conditionVersion":""`: "2.0", later + `,"conditionVersion":"1.0"`: "1.0", `"condition":"","conditionVersion":""`: nil, `"condition":null`: nil} {
		d := s.deny(t, lockedGroup, `{"properties":{"denyAssignmentName":"x","permissions":[{"actions":["*"],`+given+`}],`+s.to("contributor")+`,`+given+`}}`)
		var got struct {
			Properties struct {
				ConditionVersion any
				Permissions      []struct{ ConditionVersion any }
			}
		}
		must(t, json.Unmarshal(s.want(t, 200, "owner", "GET", d+denyVersion, "").Body.Bytes(), &got))
		if got.Properties.ConditionVersion != version || got.Properties.Permissions[0].ConditionVersion != version {
			t.Errorf("%s: %+v, want %v", given, got, version)
		}
		s.want(t, 200, "owner", "DELETE", d+denyVersion, "")
	}
}

// Audit denies nothing. The activity log shows what would have been denied.
func TestAuditIsRecordedAndDeniesNothing(t *testing.T) {
	s := lockStack(t)
	d := s.deny(t, lockedGroup, denyBody(`["*"]`, s.to("contributor"), `,"denyAssignmentEffect":"Audit"`))
	s.want(t, 200, "contributor", "PUT", lockedJob+compute24, `{}`)
	s.want(t, 200, "contributor", "GET", lockedJob+compute24, "")
	page, err := s.log.Query(t.Context(), activity.Query{Since: s.now().Add(-time.Hour), SubscriptionID: sub})
	must(t, err)
	audits := 0
	for _, e := range page.Events {
		if e.Operation == "Microsoft.Authorization/denyAssignments/audit/action" && e.ErrorCode == "DenyAssignmentAudit" && strings.HasSuffix(d, e.URI[strings.LastIndex(e.URI, "/"):]) {
			audits++
		}
	}
	if audits == 0 {
		t.Errorf("no audit among %d events", len(page.Events))
	}
}

func TestListsOfDenyAssignments(t *testing.T) {
	s := lockStack(t)
	put := func(scope, name, principals, rest string) {
		s.want(t, 201, "owner", "PUT", scope+deniesOf+uuid.NewString()+denyVersion,
			`{"properties":{"denyAssignmentName":"`+name+`","permissions":[{"actions":["A.B/c/d"]}],`+principals+rest+`}}`)
	}
	put("{sub}", "one", everyone, s.excluding("owner"))
	put(lockedGroup, "two", s.to("contributor"), "")
	put(lockedJob, "three", s.to("reader"), s.excluding("contributor"))
	put(uaiPath+"app", "four", s.to("reader"), "")
	names := func(path string) (found []string) {
		for path != "" {
			var page struct {
				Value []struct {
					Properties struct{ DenyAssignmentName string }
				}
				NextLink string
			}
			must(t, json.Unmarshal(s.want(t, 200, "reader", "GET", path, "").Body.Bytes(), &page))
			for _, d := range page.Value {
				found = append(found, d.Properties.DenyAssignmentName)
			}
			path = strings.TrimPrefix(page.NextLink, origin)
		}
		slices.Sort(found)
		return found
	}
	contributor, reader := s.callers["contributor"].ID, s.callers["reader"].ID
	for _, c := range []struct {
		scope, filter string
		want          []string
	}{
		{"{sub}", "", []string{"four", "one", "three", "two"}},
		{"{sub}", "atScope()", []string{"one"}},
		{lockedJob, "atScope()", []string{"one", "three", "two"}},
		{lockedJob, "", []string{"one", "three", "two"}},
		{"{sub}", "denyAssignmentName eq 'TWO'", []string{"two"}},
		{"{sub}", "principalId eq '" + contributor + "'", []string{"two"}},
		{"{sub}", "gdprExportPrincipalId eq '" + contributor + "'", []string{"three", "two"}},
		{"{sub}", "assignedTo('" + reader + "')", []string{"four", "one", "three"}},
		{lockedGroup, "atScope() and assignedTo('" + reader + "')", []string{"one"}},
	} {
		for _, top := range []string{"", "&$top=1"} {
			if got := names(c.scope + strings.TrimSuffix(deniesOf, "/") + denyVersion + top + "&$filter=" + url.QueryEscape(c.filter)); !slices.Equal(got, c.want) {
				t.Errorf("%s %s: %v, want %v", c.scope, c.filter, got, c.want)
			}
		}
	}
	s.want(t, 400, "reader", "GET", "{sub}"+strings.TrimSuffix(deniesOf, "/")+denyVersion+"&$filter=scope%20eq%20'x'", "")
}

// The deny assignments of one tenant mean nothing in another.
func TestDenyAssignmentsOfOtherTenantsDoNotApply(t *testing.T) {
	s := lockStack(t)
	_, _, err := s.rbac.PutDenyAssignment(t.Context(), activity.Event{TenantID: otherTenant}, parseID(t, "/"), rbac.DenyAssignment{
		Name: uuid.NewString(), DisplayName: "theirs", Effect: rbac.Enforced, Permissions: []rbac.DenyPermission{{Actions: []string{"*"}}},
		Principals:        []rbac.DenyPrincipal{{ID: rbac.EveryonePrincipal}},
		ExcludePrincipals: []rbac.DenyPrincipal{{ID: uuid.NewString(), Type: "User"}},
	})
	must(t, err)
	s.want(t, 200, "owner", "GET", lockedGroup+core, "")
	if w := s.want(t, 200, "owner", "GET", "{sub}"+strings.TrimSuffix(deniesOf, "/")+denyVersion, ""); strings.TrimSpace(w.Body.String()) != `{"value":[]}` {
		t.Errorf("the other tenant's deny assignment is listed: %s", w.Body)
	}
}
