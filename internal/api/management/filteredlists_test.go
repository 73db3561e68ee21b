package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	core21     = "?api-version=2021-04-01"
	identity23 = "?api-version=2023-01-31"
)

// idsOf reads all pages of a list and returns the ids of its entries, folded and sorted. It fails if a page has a
// nextLink that does not advance, or if the list has more pages than most.
func (s *stack) idsOf(t testing.TB, caller, path string, most int) []string {
	t.Helper()
	ids := []string{}
	for pages := 0; path != ""; pages++ {
		if pages == most {
			t.Fatalf("%s has more than %d pages", path, most)
		}
		var list struct {
			Value    []struct{ ID string }
			NextLink string
		}
		answer := s.want(t, 200, caller, "GET", path, "")
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for _, entry := range list.Value {
			ids = append(ids, strings.ToLower(strings.TrimPrefix(entry.ID, "/subscriptions/"+sub)))
		}
		path = strings.TrimPrefix(list.NextLink, origin)
	}
	slices.Sort(ids)
	return ids
}

// newSharedStack has a group that the caller "guest" reads, one in which it reads one machine, and one of which it
// must not learn anything. "tagger" is a Tag Contributor of the third group.
func newSharedStack(t testing.TB) *stack {
	t.Helper()
	s := newStack(t)
	for _, group := range []string{"mine", "mixed", "secret"} {
		g := "{sub}/resourceGroups/" + group
		s.want(t, 201, "owner", "PUT", g+core21, `{"location":"eastus","tags":{"hush":"`+group+`"}}`)
		s.want(t, 201, "owner", "PUT", g+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+group+"-id"+identity23, `{"location":"eastus"}`)
		for _, vm := range []string{group + "-vm1", group + "-vm2"} {
			s.want(t, 201, "owner", "PUT", g+"/providers/Microsoft.Compute/virtualMachines/"+vm+compute24, `{"location":"eastus"}`)
		}
	}
	for caller, grant := range map[string][2]string{
		"guest": {"Reader", "/resourceGroups/mine"}, "tagger": {"Tag Contributor", "/resourceGroups/secret"},
	} {
		s.addCaller(t, caller)
		s.assign(t, caller, grant[0], "/subscriptions/"+sub+grant[1])
	}
	s.assign(t, "guest", "Virtual Machine Contributor", "/subscriptions/"+sub+"/resourceGroups/MIXED/providers/Microsoft.Compute/virtualMachines/mixed-vm1")
	return s
}

// TestListsShowWhatTheCallerMayRead reads every list of resources as callers with roles below the subscription.
func TestListsShowWhatTheCallerMayRead(t *testing.T) {
	s := newSharedStack(t)
	const (
		vms = "/providers/microsoft.compute/virtualmachines"
		ids = "/providers/microsoft.managedidentity/userassignedidentities"
	)
	mine := []string{"/resourcegroups/mine" + vms + "/mine-vm1", "/resourcegroups/mine" + vms + "/mine-vm2"}
	mixed := "/resourcegroups/mixed" + vms + "/mixed-vm1"
	identity := "/resourcegroups/mine" + ids + "/mine-id"
	for _, list := range []struct {
		caller, path string
		want         []string
	}{
		{"guest", "/resourceGroups" + core21, []string{"/resourcegroups/mine"}},
		{"guest", "/resourceGroups" + core21 + "&$top=1", []string{"/resourcegroups/mine"}},
		{"guest", "/resourceGroups" + core21 + "&$filter=tagName%20eq%20'hush'", []string{"/resourcegroups/mine"}},
		{"guest", "/resourceGroups" + core21 + "&$filter=tagName%20eq%20'hush'%20and%20tagValue%20eq%20'secret'", nil},
		{"guest", "/resources" + core21, []string{mine[0], mine[1], identity, mixed}},
		{"guest", "/resources" + core21 + "&$top=1", []string{mine[0], mine[1], identity, mixed}},
		{"guest", "/resources" + core21 + "&$filter=resourceType%20eq%20'Microsoft.Compute/virtualMachines'", []string{mine[0], mine[1], mixed}},
		{"guest", "/resources" + core21 + "&$filter=resourceGroup%20eq%20'secret'", nil},
		{"guest", "/resources" + core21 + "&$filter=substringof('secret',name)", nil},
		{"guest", "/resourceGroups/mixed/resources" + core21, []string{mixed}},
		{"guest", "/resourceGroups/mixed" + vms + compute24, []string{mixed}},
		{"guest", "/resourceGroups/mixed" + ids + identity23, nil},
		{"guest", vms + compute24, []string{mine[0], mine[1], mixed}},
		{"guest", "/providers/Microsoft.Compute/locations/eastus/virtualMachines" + compute24, []string{mine[0], mine[1], mixed}},
		{"guest", ids + identity23, []string{identity}},
		{"tagger", "/resourceGroups" + core21, []string{"/resourcegroups/secret"}},
		{"tagger", "/resourceGroups/secret/resources" + core21, []string{"/resourcegroups/secret" + vms + "/secret-vm1", "/resourcegroups/secret" + vms + "/secret-vm2", "/resourcegroups/secret" + ids + "/secret-id"}},
		{"tagger", vms + compute24, nil},
		{"mioperator", "/resources" + core21, []string{identity, "/resourcegroups/mixed" + ids + "/mixed-id", "/resourcegroups/secret" + ids + "/secret-id"}},
	} {
		got := s.idsOf(t, list.caller, "{sub}"+list.path, 40)
		slices.Sort(list.want)
		if !slices.Equal(got, list.want) {
			t.Errorf("%s sees %q in %s, want %q", list.caller, got, list.path, list.want)
		}
	}
}

// TestNoListRevealsHiddenNames reads everything that lists something as a caller who must not learn of the group
// "secret", and looks for the word in all answers.
func TestNoListRevealsHiddenNames(t *testing.T) {
	s := newSharedStack(t)
	for _, path := range []string{
		"/resourceGroups", "/resources", "/resourceGroups?$filter=name%20eq%20'secret'", "/resources?$expand=createdTime,provisioningState",
		"/resources?$filter=tagName%20eq%20'hush'", "/resources?$filter=startswith(tagName,'h')", "/tagNames", "/providers", "/locations", "",
		"/providers/Microsoft.Compute/virtualMachines", "/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
		"/providers/Microsoft.Compute/locations/eastus/virtualMachines", "/providers/Microsoft.Authorization/roleAssignments",
		"/providers/Microsoft.Authorization/permissions", "/providers/Microsoft.Authorization/eligibleChildResources",
		"/resourceGroups/mine/resources", "/resourceGroups/mixed/resources", "/resourceGroups/mine/providers/Microsoft.Authorization/roleAssignments",
		"/providers/Microsoft.Insights/eventtypes/management/values?$filter=eventTimestamp%20ge%20'2026-01-01T00:00:00Z'",
	} {
		for _, version := range []string{"2021-04-01", "2022-04-01", "2023-01-31", "2015-04-01", "2024-07-01", "2020-10-01"} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			answer := s.do(t, "guest", "GET", "{sub}"+path+separator+"api-version="+version, "")
			body := strings.ToLower(answer.Body.String())
			if slices.ContainsFunc([]string{`secret-`, `/secret`, `"secret"`}, func(name string) bool { return strings.Contains(body, name) }) {
				t.Errorf("%s at %s reveals a hidden name: %s", path, version, answer.Body)
			}
		}
	}
	for _, export := range []string{`{"resources":["*"]}`, `{"resources":["/subscriptions/` + sub + `/resourceGroups/mixed/providers/Microsoft.Compute/virtualMachines/mixed-vm2"]}`} {
		if answer := s.do(t, "guest", "POST", "{sub}/resourceGroups/secret/exportTemplate"+core21, export); answer.Code != http.StatusForbidden {
			t.Errorf("export of a hidden group: %d %s", answer.Code, answer.Body)
		}
	}
	for _, method := range []string{"GET", "HEAD", "DELETE", "PUT"} { // the same answer for a hidden group as for none
		hidden := s.do(t, "guest", method, "{sub}/resourceGroups/secret"+core21, "")
		missing := s.do(t, "guest", method, "{sub}/resourceGroups/nosuch"+core21, "")
		if hidden.Code != http.StatusForbidden || missing.Code != hidden.Code ||
			strings.ReplaceAll(hidden.Body.String(), "secret", "nosuch") != missing.Body.String() {
			t.Errorf("%s of a hidden group: %d %s, of a missing one: %d %s", method, hidden.Code, hidden.Body, missing.Code, missing.Body)
		}
	}
	if answer := s.do(t, "guest", "GET", "{sub}/resourceGroups/secret/resources"+core21, ""); answer.Code != http.StatusForbidden {
		t.Errorf("list of a hidden group: %d", answer.Code)
	}
}

// TestFilteredPagesAreBoundedAndExact pages through a subscription of which the caller may read one group in the
// middle, while groups come and go. Each page ends after a bounded number of records, also if it shows none.
func TestFilteredPagesAreBoundedAndExact(t *testing.T) {
	s := newStack(t)
	s.addCaller(t, "guest")
	const groups = 2300
	for i := range groups {
		s.want(t, 201, "owner", "PUT", fmt.Sprintf("{sub}/resourceGroups/g%04d", i)+core21, `{"location":"eastus"}`)
	}
	want := []string{"/resourcegroups/g0000", "/resourcegroups/g1200", "/resourcegroups/g2299"}
	for _, group := range want {
		s.assign(t, "guest", "Reader", "/subscriptions/"+sub+group)
	}
	var list struct{ NextLink string }
	answer := s.want(t, 200, "guest", "GET", "{sub}/resourceGroups"+core21+"&$top=1", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || list.NextLink == "" {
		t.Fatalf("the first page has no next: %v", err)
	}
	if got := s.idsOf(t, "guest", "{sub}/resourceGroups"+core21+"&$top=1", 6); !slices.Equal(got, want) {
		t.Errorf("$top=1 lists %q, want %q", got, want)
	}
	if got := s.idsOf(t, "guest", "{sub}/resourceGroups"+core21, 4); !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
	s.want(t, 202, "owner", "DELETE", "{sub}/resourceGroups/g0000"+core21, "")
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/g0000a"+core21, `{"location":"eastus"}`)
	link, err := url.Parse(list.NextLink)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.idsOf(t, "guest", link.RequestURI(), 6); !slices.Equal(got, want[1:]) {
		t.Errorf("after a change, the rest of the list is %q, want %q", got, want[1:])
	}
}

// BenchmarkListGroups measures a page of 100 groups for an Owner of the subscription, whose right to the list
// covers everything below, and for a Reader of each group.
func BenchmarkListGroups(b *testing.B) {
	s := newStack(b)
	s.addCaller(b, "guest")
	for i := range 200 {
		group := fmt.Sprintf("/subscriptions/%s/resourceGroups/g%03d", sub, i)
		s.want(b, 201, "owner", "PUT", group+core21, `{"location":"eastus"}`)
		s.assign(b, "guest", "Reader", group)
	}
	for _, caller := range []string{"owner", "guest"} {
		bearer := s.token(b, caller)
		b.Run(caller, func(b *testing.B) {
			for b.Loop() {
				if answer := s.bare("GET", "{sub}/resourceGroups"+core21, bearer); answer.Code != http.StatusOK {
					b.Fatal(answer.Code)
				}
			}
		})
	}
}
