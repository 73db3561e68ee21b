package management_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/api/management"
)

func machineWith(ids ...string) string {
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%q:{}", strings.ReplaceAll(id, "{sub}", "/subscriptions/"+sub))
	}
	return `{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{` + strings.Join(ids, ",") + `}}}`
}

func TestAssigningWithoutTheRightIsRefusedAndLogged(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, name := range []string{"one", "two"} {
		s.want(t, 201, "owner", "PUT", uaiPath+name+someVersion, `{"location":"eastus"}`)
	}
	refused := func() {
		t.Helper()
		s.want(t, 403, "vmcontributor", "PUT", vmPath+compute24, machineWith(uaiPath+"one", uaiPath+"two"))
		s.want(t, 404, "owner", "GET", vmPath+compute24, "")
	}
	refused()
	s.assignAt(t, "vmcontributor", "Managed Identity Operator", uaiPath+"one")
	refused() // the right to one of them is not enough
	s.want(t, 201, "vmcontributor", "PUT", vmPath+compute24, machineWith(uaiPath+"one"))
	s.assignAt(t, "vmcontributor", "Managed Identity Operator", uaiPath+"two")
	s.want(t, 200, "vmcontributor", "PUT", vmPath+compute24, machineWith(uaiPath+"one", uaiPath+"two"))

	must(t, s.log.Flush(t.Context()))
	page, err := s.log.Query(t.Context(), activity.Query{SubscriptionID: sub, Limit: 100, Since: s.now().Add(-time.Hour)})
	must(t, err)
	logged := 0
	for _, e := range page.Events {
		if e.ErrorCode == "LinkedAuthorizationFailed" && e.Status == activity.Failed && e.Code == 403 && e.CallerObjectID == s.callers["vmcontributor"].ID {
			logged += e.Count // the second is counted with the first
		}
	}
	if logged != 2 {
		t.Errorf("%d refusals are in the log", logged)
	}
}

func (s *stack) assignAt(t *testing.T, caller, role, scope string) {
	t.Helper()
	s.assign(t, caller, role, strings.ReplaceAll(scope, "{sub}", "/subscriptions/"+sub))
}

func TestAssociatedResourcesFilterOrderAndPaging(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	for _, name := range []string{"Microsoft.Compute/virtualMachines/b", "Microsoft.Compute/virtualMachines/d", "Contoso.Apps/jobs/a", "Contoso.Apps/jobs/c", "Contoso.Apps/jobs/e"} {
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg/providers/"+name+compute24, machineWith(uaiPath+"app"))
	}
	for query, want := range map[string]string{
		"":                               "5 acebd",
		"&$top=2":                        "5 ac eb d",
		"&$top=2&$skip=1":                "5 ce bd",
		"&$orderby=name":                 "5 abcde",
		"&$orderby=name desc&$top=2":     "5 ed cb a",
		"&$orderby=type desc, name desc": "5 dbeca",
		"&$orderby=name&$skip=4":         "5 e",
		"&$skip=9":                       "5 ",
		"&$filter=type eq 'contoso.apps/JOBS' and not":                                                                         "400",
		"&$filter=type eq 'contoso.apps/JOBS' and (name eq 'a' or contains(id,'/E'))":                                          "2 ae",
		"&$filter=subscriptionId eq '22222222-2222-2222-2222-222222222222' and contains(subscriptionDisplayName,'TES')&$top=3": "5 ace bd",
		"&$filter=resourceGroup ne 'rg'":                                                                                       "0 ",
		"&$filter=name gt 'a'":                                                                                                 "400",
		"&$orderby=color":                                                                                                      "400",
		"&$orderby=name up":                                                                                                    "400",
		"&$top=-1":                                                                                                             "400",
		"&$skip=x":                                                                                                             "400",
		"&$top=0&$filter=name eq 'a'":                                                                                          "1 ",
		"&$skiptoken=x":                                                                                                        "400",
	} {
		target := uaiPath + "app/listAssociatedResources?api-version=2022-01-31-preview" + strings.ReplaceAll(query, " ", "%20")
		got := ""
		for target != "" {
			w := s.do(t, "contributor", "POST", target, "")
			if w.Code != 200 {
				got = fmt.Sprint(w.Code)
				break
			}
			var page struct {
				TotalCount int
				NextLink   string
				Value      []struct{ Name string }
			}
			decode(t, w, &page)
			if got == "" {
				got = fmt.Sprint(page.TotalCount)
			}
			got += " "
			for _, v := range page.Value {
				got += v.Name
			}
			target = strings.TrimPrefix(page.NextLink, origin)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestNamespacesCanBeRestricted(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) { h.Namespaces = []string{"Contoso.Apps"} })
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for path, want := range map[string]string{
		"/providers/contoso.apps/jobs/j":                  "",
		"/providers/Contoso.Tools/jobs/j":                 "InvalidResourceNamespace",
		"/providers/Microsoft.Compute/virtualMachines/vm": "",
		"/providers/Microsoft.Compute/disks/d":            "InvalidResourceType",
		"/providers/Microsoft.ManagedIdentity/things/t":   "InvalidResourceType",
	} {
		w := s.do(t, "owner", "PUT", "{sub}/resourceGroups/rg"+path+compute24, `{"location":"eastus"}`)
		if (w.Code == 201) != (want == "") || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
	s.want(t, 404, "owner", "GET", "{sub}/providers/Contoso.Tools"+core, "")
	s.want(t, 200, "owner", "POST", "{sub}/providers/Contoso.Apps/register"+core, "")
}

func TestScaleSetMachinesAreNotAmongAllResources(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/set"+compute24,
		`{"location":"eastus","sku":{"name":"B1s","capacity":2},"identity":{"type":"SystemAssigned"}}`)
	body := s.want(t, 200, "reader", "GET", "{sub}/resources"+core, "").Body.String()
	if strings.Contains(body, "set/virtualMachines") || !strings.Contains(body, `"capacity":2`) || !strings.Contains(body, `"type":"SystemAssigned"`) {
		t.Error(body)
	}
}
