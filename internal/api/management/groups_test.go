package management_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const groupPath = "{sub}/resourceGroups/rg"

// TestGroupKeepsWhoManagesIt checks managedBy in all requests about a group.
func TestGroupKeepsWhoManagesIt(t *testing.T) {
	s := newStack(t)
	managedBy := func(method, body string, status int, want any) {
		t.Helper()
		var group map[string]any
		decode(t, s.want(t, status, "owner", method, groupPath+core, body), &group)
		if got := group["managedBy"]; got != want {
			t.Errorf("%s %s: managedBy is %v, want %v", method, body, got, want)
		}
	}
	managedBy("PUT", `{"location":"eastus","managedBy":"test_from_cli","tags":{"a":"b"}}`, 201, "test_from_cli")
	managedBy("GET", "", 200, "test_from_cli")
	managedBy("PUT", `{"location":"eastus"}`, 200, "test_from_cli")
	managedBy("PATCH", `{"tags":{}}`, 200, "test_from_cli")
	managedBy("PUT", `{"location":"eastus","managedBy":"/subscriptions/x"}`, 200, "/subscriptions/x")
	if list := s.want(t, 200, "reader", "GET", "{sub}/resourceGroups"+core, "").Body.String(); !strings.Contains(list, `"managedBy":"/subscriptions/x"`) {
		t.Error(list)
	}
	managedBy("PATCH", `{"managedBy":"other"}`, 200, "other")
	managedBy("PATCH", `{"managedBy":null}`, 200, nil)
	managedBy("GET", "", 200, nil)
	for _, bad := range []string{`7`, `{}`, `"` + strings.Repeat("x", 3000) + `"`} {
		s.want(t, 400, "owner", "PUT", groupPath+core, `{"location":"eastus","managedBy":`+bad+`}`)
	}
	managedBy("GET", "", 200, nil)
}

// TestGroupAnswersDependOnTheVersion checks that the type of a group is shown from 2019-10-01 on, and that a new
// group has no header Location.
func TestGroupAnswersDependOnTheVersion(t *testing.T) {
	s := newStack(t)
	for version, typed := range map[string]bool{"2016-09-01": false, "2018-05-01": false, "2019-09-01": false, "2019-10-01": true, "2021-04-01": true, "2025-04-01": true} {
		path := groupPath + strings.ReplaceAll(version, "-", "")
		w := s.want(t, 201, "owner", "PUT", path+"?api-version="+version, `{"location":"eastus"}`)
		if at := w.Header().Get("Location"); at != "" {
			t.Errorf("%s: Location is %q", version, at)
		}
		for _, body := range []string{
			w.Body.String(), s.want(t, 200, "reader", "GET", path+"?api-version="+version, "").Body.String(),
			s.want(t, 200, "owner", "PATCH", path+"?api-version="+version, `{"tags":{"a":"b"}}`).Body.String(),
			s.want(t, 200, "reader", "GET", "{sub}/resourceGroups?api-version="+version, "").Body.String(),
		} {
			if strings.Contains(body, `"type":"Microsoft.Resources/resourceGroups"`) != typed {
				t.Errorf("%s: %s", version, body)
			}
		}
	}
}

// TestHeadOfMissingNamesTheGateway checks the header that tells an answer of ARM from one of a provider.
func TestHeadOfMissingNamesTheGateway(t *testing.T) {
	s := newStack(t)
	for path, status := range map[string]int{
		groupPath + core: 404, groupPath + "/providers/Microsoft.Web/sites/none" + core: 404, vmPath + compute24: 404,
	} {
		w := s.want(t, status, "reader", "HEAD", path, "")
		if got := w.Header().Get("X-Ms-Failure-Cause"); got != "gateway" || w.Body.Len() > 0 {
			t.Errorf("%s: the failure cause is %q, the body %q", path, got, w.Body)
		}
	}
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	if w := s.want(t, 204, "reader", "HEAD", groupPath+core, ""); w.Header().Get("X-Ms-Failure-Cause") != "" {
		t.Error(w.Header())
	}
}

// listed is an entry of the list of resources with its fields.
type listedResources struct{ Value []map[string]any }

func (s *stack) listed(t *testing.T, query string) (all listedResources) {
	t.Helper()
	decode(t, s.want(t, 200, "reader", "GET", "{sub}/resources"+core+query, ""), &all)
	return all
}

// TestResourcesExpandTimesAndState checks $expand of the list of resources in the spellings of clients.
func TestResourcesExpandTimesAndState(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	s.want(t, 200, "owner", "PATCH", vmPath+compute24, `{"tags":{"a":"b"}}`)
	fields := []string{"createdTime", "changedTime", "provisioningState"}
	for query, want := range map[string][]string{
		"":                     nil,
		"&$expand=createdTime": {"createdTime"},
		"&$expand=createdTime%2CchangedTime%2CprovisioningState":        fields,
		"&$expand=" + url.QueryEscape("ChangedTime, provisioningstate"): {"changedTime", "provisioningState"},
		"&$expand=tags": nil,
		"&$expand=createdTime&$filter=" + url.QueryEscape("location eq 'eastus'"): {"createdTime"},
	} {
		entry := s.listed(t, query).Value[0]
		var got []string
		for _, name := range fields {
			value, shown := entry[name].(string)
			if !shown {
				continue
			}
			got = append(got, name)
			if name == "provisioningState" && value != "Succeeded" || name != "provisioningState" && (len(value) != len("2021-01-01T00:00:00.1234567Z") || !strings.HasSuffix(value, "Z")) {
				t.Errorf("%s: %s is %q", query, name, value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
	}
}

// TestResourcesUnderATagFilterAreShort checks that ARM leaves out all but the names of a resource.
func TestResourcesUnderATagFilterAreShort(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", groupPath+"/providers/Microsoft.Web/sites/it"+compute24, `{"location":"eastus","kind":"app","sku":{"name":"x"},"tags":{"env":"test"},"identity":{"type":"SystemAssigned"}}`)
	for filter, fields := range map[string]int{
		"tagName eq 'env'": 4, "tagName eq 'env' and tagValue eq 'test'": 4, "tagValue eq 'test'": 4, "name eq 'it'": 8, "": 8,
	} {
		entry := s.listed(t, "&$filter="+url.QueryEscape(filter)).Value[0]
		if len(entry) != fields || entry["id"] == nil || entry["name"] != "it" || entry["type"] != "Microsoft.Web/sites" || entry["location"] != "eastus" {
			t.Errorf("%s: %s", filter, quoted(entry))
		}
	}
	if entry := s.listed(t, "&$expand=createdTime&$filter="+url.QueryEscape("tagName eq 'env'")).Value[0]; entry["createdTime"] == nil || len(entry) != 5 {
		t.Errorf("with $expand: %s", quoted(entry))
	}
}

// TestResourcesAreTrackedResources checks that the list has no proxy resources, and pages without them.
func TestResourcesAreTrackedResources(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", identities+"/app"+someVersion, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", identities+"/app/federatedIdentityCredentials/fic"+someVersion, `{"properties":{"issuer":"https://i.test","subject":"s","audiences":["a"]}}`)
	const vnet = groupPath + "/providers/Microsoft.Network/virtualNetworks/net"
	s.want(t, 201, "owner", "PUT", vnet+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vnet+"/subnets/one"+compute24, `{"properties":{"addressPrefix":"10.0.0.0/24"}}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+"/extensions/ext"+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", setPath+compute24, `{"location":"eastus","sku":{"capacity":2}}`)
	want := []string{"vm", "vm/ext", "none", "app", "net"}
	for _, path := range []string{"{sub}/resources" + core, groupPath + "/resources" + core, groupPath + "/resources" + core + "&$top=1"} {
		got, _ := s.collect(t, path)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
	for _, typ := range []string{"Microsoft.Network/virtualNetworks/subnets", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"} {
		if got := s.listed(t, "&$filter="+url.QueryEscape("resourceType eq '"+typ+"'")).Value; len(got) > 0 {
			t.Errorf("%s: %s", typ, quoted(got))
		}
	}
}

// TestParentShowsItsChildren checks the children that Azure repeats in their parents: the extensions of a machine,
// the subnets of a network.
func TestParentShowsItsChildren(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	const network = groupPath + "/providers/Microsoft.Network/"
	for _, row := range []struct{ parent, child, body, at string }{
		{network + "virtualNetworks/net", "subnets/one", `{"properties":{"addressPrefix":"10.0.0.0/24"}}`, "subnets"},
		{network + "virtualNetworks/net", "virtualNetworkPeerings/one", `{"properties":{"x":"10.0.0.0/24"}}`, "virtualNetworkPeerings"},
		{network + "networkSecurityGroups/nsg", "securityRules/one", `{"properties":{"x":"10.0.0.0/24"}}`, "securityRules"},
		{network + "routeTables/routes", "routes/one", `{"properties":{"x":"10.0.0.0/24"}}`, "routes"},
	} {
		s.want(t, 0, "owner", "PUT", row.parent+compute24, `{"location":"eastus","properties":{"`+row.at+`":[{"name":"inline","properties":{"y":1}},{"name":"ONE","properties":{"old":1}}]}}`)
		s.want(t, 201, "owner", "PUT", row.parent+"/"+row.child+compute24, row.body)
		for _, w := range []string{
			s.want(t, 200, "reader", "GET", row.parent+compute24, "").Body.String(),
			s.want(t, 200, "owner", "PATCH", row.parent+compute24, `{"tags":{"a":"b"}}`).Body.String(),
		} {
			if !strings.Contains(w, `"10.0.0.0/24"`) || !strings.Contains(w, `"inline"`) || strings.Contains(w, `"old"`) || !strings.Contains(w, "/"+strings.Split(row.child, "/")[0]+"/one\"") {
				t.Errorf("%s: %s", row.child, w)
			}
		}
		s.want(t, 200, "owner", "DELETE", row.parent+"/"+row.child+compute24, "")
		if w := s.want(t, 200, "reader", "GET", row.parent+compute24, "").Body.String(); strings.Contains(w, "10.0.0.0") {
			t.Errorf("%s is left: %s", row.child, w)
		}
	}
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	if w := s.want(t, 200, "reader", "GET", vmPath+compute24, "").Body.String(); strings.Contains(w, "resources") {
		t.Errorf("without extensions: %s", w)
	}
	s.want(t, 201, "owner", "PUT", vmPath+"/extensions/ext"+compute24, `{"location":"eastus","tags":{"a":"b"},"properties":{"publisher":"p","type":"t"}}`)
	var vm struct{ Resources []map[string]any }
	decode(t, s.want(t, 200, "reader", "GET", vmPath+compute24, ""), &vm)
	if len(vm.Resources) != 1 || vm.Resources[0]["name"] != "ext" || vm.Resources[0]["location"] != "eastus" || vm.Resources[0]["type"] != "Microsoft.Compute/virtualMachines/extensions" {
		t.Errorf("the machine shows %s", quoted(vm))
	}
}

// TestComputeIsListedByLocation checks the lists of machines and scale sets of one region.
func TestComputeIsListedByLocation(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	const providers = groupPath + "/providers/Microsoft.Compute/"
	for _, typ := range []string{"virtualMachines", "virtualMachineScaleSets"} {
		for name, location := range map[string]string{"aa": "eastus", "bb": "westus", "cc": "East US"} {
			s.want(t, 201, "owner", "PUT", providers+typ+"/"+name+compute24, `{"location":"`+location+`"}`)
		}
		for location, want := range map[string][]string{"eastus": {"aa", "cc"}, "WestUS": {"bb"}, "northeurope": nil} {
			got, _ := s.collect(t, "{sub}/providers/Microsoft.Compute/locations/"+location+"/"+typ+compute24)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in %s (-want +got)\n%s", typ, location, diff)
			}
		}
		got, pages := s.collect(t, "{sub}/providers/Microsoft.Compute/locations/eastus/"+typ+compute24+"&$top=1")
		if diff := cmp.Diff([]string{"aa", "cc"}, got); diff != "" || pages < 2 {
			t.Errorf("%d pages (-want +got)\n%s", pages, diff)
		}
		s.want(t, 403, "nobody", "GET", "{sub}/providers/Microsoft.Compute/locations/eastus/"+typ+compute24, "")
		s.want(t, 403, "micontributor", "GET", "{sub}/providers/Microsoft.Compute/locations/eastus/"+typ+compute24, "")
	}
}

// TestChildrenThatAClientWritesBackGoWithTheirResource checks that a parent does not keep copies of its children.
func TestChildrenThatAClientWritesBackGoWithTheirResource(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	for parent, child := range map[string]string{
		groupPath + "/providers/Microsoft.Network/virtualNetworks/net": "/subnets/one", vmPath: "/extensions/one",
	} {
		s.want(t, 201, "owner", "PUT", parent+compute24, `{"location":"eastus"}`)
		s.want(t, 201, "owner", "PUT", parent+child+compute24, `{"location":"eastus","properties":{}}`)
		read := s.want(t, 200, "owner", "GET", parent+compute24, "").Body.String()
		if !strings.Contains(read, child) {
			t.Fatalf("%s: %s", parent, read)
		}
		s.want(t, 200, "owner", "PUT", parent+compute24, read)
		s.want(t, 200, "owner", "PATCH", parent+compute24, read)
		s.want(t, 200, "owner", "DELETE", parent+child+compute24, "")
		if got := s.want(t, 200, "owner", "GET", parent+compute24, "").Body.String(); strings.Contains(got, child) {
			t.Errorf("%s is left: %s", child, got)
		}
	}
}

// TestChildrenInTheirParentHaveNoSecretsAndAnEnd checks that a parent shows no more than a page of its children,
// and of them no secrets.
func TestChildrenInTheirParentHaveNoSecretsAndAnEnd(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", groupPath+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+"/extensions/ext"+compute24, `{"location":"eastus","properties":{"protectedSettings":{"key":"canary"},"settings":{"a":"shown"}}}`)
	if got := s.want(t, 200, "reader", "GET", vmPath+compute24, "").Body.String(); strings.Contains(got, "canary") || !strings.Contains(got, "shown") {
		t.Error(got)
	}
	const vnet = groupPath + "/providers/Microsoft.Network/virtualNetworks/net"
	s.want(t, 201, "owner", "PUT", vnet+compute24, `{"location":"eastus"}`)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.want(t, 201, "owner", "PUT", vnet+"/subnets/"+name+compute24, `{"properties":{"filler":"`+strings.Repeat("x", 500_000)+`"}}`)
	}
	if size := s.want(t, 200, "reader", "GET", vnet+compute24, "").Body.Len(); size < 500_000 || size > 1<<20+10_000 {
		t.Errorf("the parent has %d bytes", size)
	}
}
