package management_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Midas has no deny assignments, no classic administrators and no privileged identity management. Programs
// that look for them get an empty list, with the right that Azure requires, and 404 for a name.
func TestTypesWithoutInstancesAreListedEmpty(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j?api-version=2024-01-01", `{}`)
	for typ, version := range map[string]string{
		"roleEligibilitySchedules": "2020-10-01", "roleEligibilityScheduleInstances": "2020-10-01",
		"roleEligibilityScheduleRequests": "2022-04-01-preview", "roleAssignmentSchedules": "2020-10-01-preview",
		"roleAssignmentScheduleInstances": "2020-10-01", "roleAssignmentScheduleRequests": "2020-10-01",
		"roleManagementPolicies": "2024-02-01-preview", "roleManagementPolicyAssignments": "2020-10-01",
	} {
		for _, scope := range []string{"{sub}", "{sub}/resourceGroups/rg", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j"} {
			path := scope + "/providers/Microsoft.Authorization/" + typ
			version := "?api-version=" + version
			if w := s.want(t, 200, "reader", "GET", path+version, ""); strings.TrimSpace(w.Body.String()) != `{"value":[]}` {
				t.Errorf("%s: %s", path, w.Body)
			}
			s.want(t, 200, "reader", "GET", path+version+"&$filter=atScope()", "")
			s.want(t, 400, "reader", "GET", path+version+"&$filter="+url.QueryEscape("a eq 'b"), "")
			s.want(t, 403, "nobody", "GET", path+version, "")
			s.want(t, 403, "nobody", "GET", path+version+"&$filter=atScope()", "")
			s.want(t, 403, "nobody", "GET", path+"/11111111-0000-0000-0000-000000000001"+version, "")
			s.want(t, 405, "owner", "PUT", path+"/11111111-0000-0000-0000-000000000001"+version, `{}`)
			if w := s.want(t, 404, "reader", "GET", path+"/11111111-0000-0000-0000-000000000001"+version, ""); !strings.Contains(w.Body.String(), `NotFound"`) {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
		s.want(t, 404, "reader", "GET", "{sub}/resourceGroups/none/providers/Microsoft.Authorization/"+typ+"?api-version="+version, "")
	}
	s.want(t, 200, "reader", "GET", "{sub}/providers/Microsoft.Authorization/classicAdministrators?api-version=2015-06-01", "")
	s.want(t, 403, "nobody", "GET", "{sub}/providers/Microsoft.Authorization/classicAdministrators?api-version=2015-06-01", "")
	s.want(t, 404, "reader", "GET", "{sub}/resourceGroups/rg/providers/Microsoft.Authorization/classicAdministrators?api-version=2015-06-01", "")
}

// As in Azure, everyone may ask for one's own schedules. The answer is the same for a scope that does not exist.
func TestOwnSchedulesNeedNoRight(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	for filter, want := range map[string]int{
		"asTarget()": http.StatusOK, "AsTarget()": http.StatusOK, "asTarget() and atScope()": http.StatusForbidden,
		"asTarget('x')": http.StatusForbidden, "asRequestor()": http.StatusForbidden, "asTarget": http.StatusForbidden,
	} {
		for _, group := range []string{"rg", "none"} {
			path := "{sub}/resourceGroups/" + group + "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances?api-version=2020-10-01&$filter=" + url.QueryEscape(filter)
			if w := s.do(t, "nobody", "GET", path, ""); w.Code != want {
				t.Errorf("%s of %s: %d %s", filter, group, w.Code, w.Body)
			}
		}
	}
	s.want(t, 403, "nobody", "GET", "{sub}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01&$filter=asTarget()", "")
}
