package management_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/token"
)

const (
	elevate     = "/providers/Microsoft.Authorization/elevateAccess?api-version=2015-07-01"
	rootGranted = "/providers/Microsoft.Authorization/roleAssignments"
)

// administrator makes a caller a Global Administrator, or no longer one.
func (s *stack) administrator(t testing.TB, caller string, is bool) {
	t.Helper()
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		if is {
			return s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.callers[caller].ID)
		}
		return s.directory.RemoveDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.callers[caller].ID)
	})
	must(t, err)
}

// atRoot returns the names of the assignments at the root, as a caller sees them.
func (s *stack) atRoot(t testing.TB, caller string) (names []string) {
	t.Helper()
	var list struct {
		Value []struct {
			Name       string
			Properties struct{ RoleDefinitionID, PrincipalID, Scope, CreatedBy string }
		}
	}
	answer := s.want(t, 200, caller, "GET", rootGranted+auth22+"&$filter=atScope()", "")
	must(t, json.Unmarshal(answer.Body.Bytes(), &list))
	for _, a := range list.Value {
		if a.Properties.Scope != "/" || !strings.HasSuffix(a.Properties.RoleDefinitionID, rbac.UserAccessAdministratorID) || a.Properties.CreatedBy != a.Properties.PrincipalID {
			t.Errorf("at the root is %+v", a)
		}
		names = append(names, a.Name)
	}
	return names
}

// TestGlobalAdministratorsElevateTheirAccess elevates access, uses it and gives it up.
func TestGlobalAdministratorsElevateTheirAccess(t *testing.T) {
	s := newStack(t)
	s.addCaller(t, "admin")
	s.addCaller(t, "second")
	s.administrator(t, "admin", true)
	s.administrator(t, "second", true)
	s.want(t, 403, "admin", "GET", "{sub}"+core21, "")
	s.want(t, 403, "admin", "GET", rootGranted+auth22, "")
	for range 2 { // again is accepted and changes nothing
		if answer := s.want(t, 200, "admin", "POST", elevate, ""); answer.Body.Len() != 0 {
			t.Errorf("the answer has a body: %s", answer.Body)
		}
	}
	names := s.atRoot(t, "admin")
	if len(names) != 1 {
		t.Fatalf("at the root are %q", names)
	}
	s.want(t, 200, "admin", "GET", "{sub}"+core21, "")
	s.want(t, 201, "admin", "PUT", "{sub}/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+auth22, fmt.Sprintf(
		`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":"%s"}}`, sub, rbac.OwnerID, s.callers["admin"].ID))
	s.want(t, 401, "admin", "GET", "/subscriptions/"+otherSub+core21, "") // the root is that of one tenant

	events := "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=" +
		url.QueryEscape("eventTimestamp ge '"+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+"'")
	if log := s.want(t, 200, "admin", "GET", events, "").Body.String(); strings.Count(log, "Microsoft.Authorization/elevateAccess/action") < 2 || strings.Contains(log, sub+"/providers") {
		t.Errorf("the tenant's log has %s", log)
	}
	s.want(t, 403, "owner", "GET", events, "")

	s.administrator(t, "admin", false) // the role stays until its assignment is deleted
	s.want(t, 403, "admin", "POST", elevate, "")
	s.want(t, 200, "admin", "DELETE", rootGranted+"/"+names[0]+auth22, "")
	s.want(t, 403, "admin", "GET", rootGranted+auth22, "")
}

// TestOnlyGlobalAdministratorsElevate tries with every role of Azure, at the root too, with claims of a Global
// Administrator, with other directory roles and with those of another tenant.
func TestOnlyGlobalAdministratorsElevate(t *testing.T) {
	s := newStack(t)
	for caller := range roles {
		s.want(t, 403, caller, "POST", elevate, "")
	}
	s.addCaller(t, "root")
	s.assign(t, "root", "Owner", "/")
	s.want(t, 403, "root", "POST", elevate, "")
	s.want(t, 401, "", "POST", elevate, "")
	for _, role := range []string{directory.PrivilegedRoleAdmin, directory.ApplicationAdministrator} {
		_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
			return s.directory.AssignDirectoryRole(tx, tenant, role, s.callers["nobody"].ID)
		})
		must(t, err)
	}
	s.want(t, 403, "nobody", "POST", elevate, "")
	sp := s.callers["owner"]
	claimed := s.mint(t, token.Claims{
		Audience: audience, Subject: sp.ID, ObjectID: sp.ID, AppID: sp.AppID, TenantID: tenant, Expires: s.now().Add(time.Hour),
		Roles: []string{"Global Administrator"}, WellKnownIDs: []string{directory.GlobalAdministrator},
	})
	if answer := s.bare("POST", elevate, claimed); answer.Code != 403 {
		t.Errorf("with claims: %d", answer.Code)
	}
	s.addCaller(t, "admin")
	s.administrator(t, "admin", true)
	for _, path := range []string{"/providers/Microsoft.Compute/elevateAccess", "{sub}/providers/Microsoft.Authorization/elevateAccess"} {
		if answer := s.do(t, "admin", "POST", path+"?api-version=2015-07-01", ""); answer.Code < 400 {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
	s.want(t, 404, "admin", "GET", elevate, "")
}

// TestConcurrentElevationsMakeOneAssignment elevates one caller many times at once.
func TestConcurrentElevationsMakeOneAssignment(t *testing.T) {
	s := newStack(t)
	s.addCaller(t, "admin")
	s.administrator(t, "admin", true)
	bearer := s.token(t, "admin")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if answer := s.bare("POST", elevate, bearer); answer.Code != 200 {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
	group.Wait()
	if names := s.atRoot(t, "admin"); len(names) != 1 {
		t.Errorf("at the root are %q", names)
	}
}

// TestEligibleChildrenAreThoseThatTheCallerSees lists the children of every kind of scope.
func TestEligibleChildrenAreThoseThatTheCallerSees(t *testing.T) {
	s := newSharedStack(t)
	const children = "/providers/Microsoft.Authorization/eligibleChildResources?api-version=2020-10-01"
	vms := "/resourcegroups/mixed/providers/microsoft.compute/virtualmachines/"
	for _, tc := range []struct {
		caller, scope, filter string
		want                  []string
	}{
		{"guest", "{sub}", "", []string{"/resourcegroups/mine"}},
		{"guest", "{sub}", "resourceType+eq+'ResourceGroup'", []string{"/resourcegroups/mine"}},
		{"guest", "{sub}", "resourceType eq 'subscription'", nil},
		{"guest", "{sub}", "resourceType eq 'subscription' or resourceType eq 'resourcegroup'", []string{"/resourcegroups/mine"}},
		{"guest", "{sub}/resourceGroups/mixed", "", []string{vms + "mixed-vm1"}},
		{"guest", "{sub}/resourceGroups/secret", "", nil},
		{"guest", "{sub}/resourceGroups/nosuch", "", nil},
		{"nobody", "{sub}", "", nil},
		{"guest", "/providers/Microsoft.Management/managementGroups/" + tenant, "", []string{""}},
		{"nobody", "/providers/Microsoft.Management/managementGroups/" + tenant, "", nil},
		{"nobody", "/providers/Microsoft.Management/managementGroups/nosuch", "", nil},
		{"owner", "{sub}", "", []string{"/resourcegroups/mine", "/resourcegroups/mixed", "/resourcegroups/secret"}},
	} {
		path := tc.scope + children
		if tc.filter != "" {
			path += "&$filter=" + url.QueryEscape(tc.filter)
		}
		if got := s.idsOf(t, tc.caller, path, 5); strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s at %s with %q sees %q, want %q", tc.caller, tc.scope, tc.filter, got, tc.want)
		}
	}
	s.want(t, 400, "guest", "GET", "{sub}"+children+"&$filter=name%20eq%20'x'", "")
}

// TestRoleAssignmentsOfOlderVersions checks which fields of a request each api-version has.
func TestRoleAssignmentsOfOlderVersions(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core21, `{"location":"eastus"}`)
	body := func(principalType string) string {
		return fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"%s","principalType":"%s"}}`,
			sub, uuid.NewString(), principalType)
	}
	for _, tc := range []struct {
		version, principalType string
		status                 int
	}{
		{"2015-07-01", "ServicePrincipal", 400}, {"2018-01-01-preview", "ServicePrincipal", 400},
		{"2018-09-01-preview", "ServicePrincipal", 201}, {"2018-09-01-preview", "User", 400}, {"2019-04-01-preview", "Group", 400},
		{"2020-03-01-preview", "User", 201}, {"2020-04-01-preview", "Group", 201}, {"2022-04-01", "ServicePrincipal", 201}, {"2022-04-01", "Robot", 400},
	} {
		s.want(t, tc.status, "owner", "PUT", "{sub}/resourceGroups/rg"+rootGranted+"/"+uuid.NewString()+"?api-version="+tc.version, body(tc.principalType))
	}
	// A version without descriptions neither sets nor removes one.
	name := "{sub}/resourceGroups/rg" + rootGranted + "/" + uuid.NewString()
	known := fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":"%s"%%s}}`, sub, "acdd72a7-3385-48ef-bd42-f606fba81ae7", s.callers["nobody"].ID)
	s.want(t, 201, "owner", "PUT", name+"?api-version=2015-07-01", fmt.Sprintf(known, `,"description":"ignored"`))
	described := func() string { return s.want(t, 200, "owner", "GET", name+auth22, "").Body.String() }
	if !strings.Contains(described(), `"description":null`) {
		t.Errorf("an old version has set the description: %s", described())
	}
	s.want(t, 201, "owner", "PUT", name+auth22, fmt.Sprintf(known, `,"description":"kept"`))
	s.want(t, 201, "owner", "PUT", name+"?api-version=2015-07-01", fmt.Sprintf(known, ""))
	if !strings.Contains(described(), `"description":"kept"`) {
		t.Errorf("an old version has removed the description: %s", described())
	}
}

// TestValidationOfRoleAssignments asks whether requests would succeed, and reads the usage.
func TestValidationOfRoleAssignments(t *testing.T) {
	s := newStack(t)
	validate := "{sub}" + rootGranted + "/" + uuid.NewString() + "/validate?api-version=2020-10-01-preview"
	body := func(principal string) string {
		return fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"%s"}}`, sub, principal)
	}
	usage := func() string {
		return s.want(t, 200, "reader", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignmentsUsageMetrics?api-version=2019-08-01-preview", "").Body.String()
	}
	before := usage()
	if got := s.want(t, 200, "owner", "POST", validate, body(s.callers["nobody"].ID)).Body.String(); got != `{"isValid":true}` {
		t.Errorf("a valid request: %s", got)
	}
	if got := s.want(t, 200, "owner", "POST", validate, body(uuid.NewString())).Body.String(); !strings.HasPrefix(got, `{"isValid":false,"errorInfo":{"code":"PrincipalNotFound","message":"Principal `) {
		t.Errorf("an unknown principal: %s", got)
	}
	if got := s.want(t, 200, "owner", "POST", validate, body(s.callers["reader"].ID)).Body.String(); !strings.Contains(got, "RoleAssignmentExists") {
		t.Errorf("a duplicate: %s", got)
	}
	s.want(t, 403, "contributor", "POST", validate, body(s.callers["nobody"].ID))
	s.want(t, 400, "owner", "POST", validate, `{"properties":{}}`)
	if after := usage(); after != before || !strings.Contains(after, `"roleAssignmentsLimit":4000,"roleAssignmentsCurrentCount":6,"roleAssignmentsRemainingCount":3994`) {
		t.Errorf("the usage was %s and is %s", before, after)
	}
}

// TestPermissionsAtEveryScope lists the permissions of a caller with several assignments, one of which has a
// condition.
func TestPermissionsAtEveryScope(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core21, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	s.addCaller(t, "guest")
	s.assign(t, "guest", "Reader", "/")
	s.assign(t, "guest", "Contributor", "/subscriptions/"+sub+"/resourceGroups/rg")
	s.assign(t, "guest", "AcrPull", "/providers/Microsoft.Management/managementGroups/"+tenant)
	const condition = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'c'"
	s.want(t, 201, "owner", "PUT", vmPath+rootGranted+"/"+uuid.NewString()+auth22, fmt.Sprintf(
		`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":"%s","condition":"%s","conditionVersion":"2.0"}}`,
		sub, rbac.OwnerID, s.callers["guest"].ID, condition))
	type permission struct {
		Actions          []string
		Condition        *string
		ConditionVersion *string
	}
	list := func(caller, scope, version string) (all []permission) {
		var answer struct{ Value []permission }
		must(t, json.Unmarshal(s.want(t, 200, caller, "GET", scope+"/providers/Microsoft.Authorization/permissions?api-version="+version, "").Body.Bytes(), &answer))
		return answer.Value
	}
	for scope, want := range map[string]int{
		"": 1, "/providers/Microsoft.Management/managementGroups/" + tenant: 2, "{sub}": 2, "{sub}/resourceGroups/rg": 3, vmPath: 4,
	} {
		if got := list("guest", scope, "2022-04-01"); len(got) != want {
			t.Errorf("at %q are %d permissions, want %d", scope, len(got), want)
		}
		if got := list("nobody", scope, "2022-04-01"); len(got) != 0 {
			t.Errorf("at %q are %d permissions of nobody", scope, len(got))
		}
	}
	// Who has permissions learns that the scope is missing; others do not.
	for _, scope := range []string{"{sub}/resourceGroups/none", vmPath + "none", "/providers/Microsoft.Management/managementGroups/none"} {
		s.want(t, 404, "guest", "GET", scope+"/providers/Microsoft.Authorization/permissions"+auth22, "")
		if got := list("nobody", scope, "2022-04-01"); len(got) != 0 {
			t.Errorf("at %q are %d permissions of nobody", scope, len(got))
		}
	}
	for _, version := range []string{"2015-07-01", "2022-04-01", "2022-05-01-preview"} {
		shown := map[bool]int{} // by whether a permission has a condition
		for _, p := range list("guest", vmPath, version) {
			shown[p.Condition != nil]++
			if p.Condition != nil && (*p.Condition != condition || p.ConditionVersion == nil || *p.ConditionVersion != "2.0") {
				t.Errorf("%s: the condition of %q is %q", version, p.Actions, *p.Condition)
			}
		}
		want := map[bool]int{false: 4}
		if version == "2022-05-01-preview" {
			want = map[bool]int{false: 3, true: 1}
		}
		if !maps.Equal(shown, want) {
			t.Errorf("%s: permissions with and without conditions %v, want %v", version, shown, want)
		}
	}
}
