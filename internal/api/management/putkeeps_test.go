package management_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// systemAssigned is the extension resource that a resource with a system-assigned identity has.
const systemAssigned = "/providers/Microsoft.ManagedIdentity/identities/default" + someVersion

// principalOf returns the principal id of the system-assigned identity in an answer; empty without one.
func principalOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Identity struct{ PrincipalID string } }
	must(t, json.Unmarshal(w.Body.Bytes(), &body))
	return body.Identity.PrincipalID
}

// TestPutWithoutIdentityKeepsTheIdentity checks for every kind of resource that a PUT without the block identity,
// or with null, keeps the principal, and that type None ends it.
func TestPutWithoutIdentityKeepsTheIdentity(t *testing.T) {
	for _, typ := range []string{
		"Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets", "Microsoft.Compute/disks",
		"Microsoft.Web/sites", "Microsoft.HybridCompute/machines", "Microsoft.Storage/storageAccounts", "Contoso.Apps/jobs",
	} {
		t.Run(typ, func(t *testing.T) {
			s := newStack(t)
			s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
			path := "{sub}/resourceGroups/rg/providers/" + typ + "/it"
			principal := principalOf(t, s.want(t, 201, "owner", "PUT", path+compute24, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`))
			for _, body := range []string{
				`{"location":"eastus","tags":{"a":"1"}}`, `{"location":"eastus","identity":null}`, `{"location":"eastus"}`,
			} {
				if got := principalOf(t, s.want(t, 200, "owner", "PUT", path+compute24, body)); got != principal || got == "" {
					t.Errorf("PUT %s: the principal is %q, want %q", body, got, principal)
				}
			}
			s.want(t, 200, "owner", "GET", path+systemAssigned, "")
			if got := principalOf(t, s.want(t, 200, "owner", "PUT", path+compute24, `{"location":"eastus","identity":{"type":"None"}}`)); got != "" {
				t.Errorf("type None left the principal %q", got)
			}
			s.want(t, 404, "owner", "GET", path+systemAssigned, "")
		})
	}
}

// TestPutWithIdentityReplacesTheUserAssignedIdentities checks that a block identity in a PUT is complete.
func TestPutWithIdentityReplacesTheUserAssignedIdentities(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	id := func(name string) string { return strings.ReplaceAll(uaiPath+name, "{sub}", "/subscriptions/"+sub) }
	put := func(status int, names ...string) string {
		assigned := map[string]any{}
		for _, name := range names {
			assigned[id(name)] = map[string]any{}
		}
		body, err := json.Marshal(map[string]any{"location": "eastus", "identity": map[string]any{"type": "UserAssigned", "userAssignedIdentities": assigned}})
		must(t, err)
		return s.want(t, status, "owner", "PUT", vmPath+compute24, string(body)).Body.String()
	}
	for _, name := range []string{"aaa", "bbb"} {
		s.want(t, 201, "owner", "PUT", uaiPath+name+someVersion, `{"location":"eastus"}`)
	}
	put(201, "aaa")
	if got := put(200, "bbb"); strings.Contains(got, "aaa") || !strings.Contains(got, "bbb") {
		t.Error(got)
	}
	if got := s.want(t, 200, "vmcontributor", "PUT", vmPath+compute24, `{"location":"eastus"}`).Body.String(); !strings.Contains(got, "bbb") {
		t.Errorf("a PUT by a caller without assign/action lost an identity: %s", got)
	}
}

// TestPutKeepsWhatItLeavesOut checks the update semantics of Microsoft.Compute and Microsoft.Web: what a PUT leaves
// out or sets to null stays; arrays, empty values and tags that are there replace the old ones.
func TestPutKeepsWhatItLeavesOut(t *testing.T) {
	const first = `{"location":"eastus","tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},
		"properties":{"size":"small","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":1,"y":2}}}}`
	for _, typ := range []string{"Microsoft.Compute/images", "Microsoft.Web/sites", "microsoft.WEB/serverFarms"} {
		for name, row := range map[string]struct{ body, want string }{
			"nothing":            {`{"none":null}`, `{"tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},"properties":{"size":"small","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":1,"y":2}}}}`},
			"nulls":              {`{"tags":null,"kind":null,"zones":null,"plan":null,"properties":null}`, `{"tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},"properties":{"size":"small","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":1,"y":2}}}}`},
			"nested nulls":       {`{"properties":{"size":null,"profile":{"admin":null,"deep":null}}}`, `{"tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},"properties":{"size":"small","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":1,"y":2}}}}`},
			"tags replaced":      {`{"tags":{"c":"3"}}`, `{"tags":{"c":"3"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},"properties":{"size":"small","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":1,"y":2}}}}`},
			"things removed":     {`{"tags":{},"zones":[],"properties":{"size":"","disks":[],"profile":{"keys":[]}}}`, `{"tags":{},"kind":"linux","zones":[],"plan":{"name":"p","product":"q"},"properties":{"size":"","disks":[],"profile":{"admin":"me","keys":[],"deep":{"x":1,"y":2}}}}`},
			"other spellings":    {`{"Plan":{"Name":"r"},"properties":{"SIZE":"big","Profile":{"DEEP":{"X":3}}}}`, `{"tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"r","product":"q"},"properties":{"size":"big","disks":[1,2],"profile":{"admin":"me","keys":["k"],"deep":{"x":3,"y":2}}}}`},
			"object for another": {`{"properties":{"profile":"none","disks":{"new":1}}}`, `{"tags":{"a":"1","b":"2"},"kind":"linux","zones":["1"],"plan":{"name":"p","product":"q"},"properties":{"size":"small","disks":{"new":1},"profile":"none"}}`},
		} {
			t.Run(typ+" "+name, func(t *testing.T) {
				s := newStack(t)
				s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
				path := "{sub}/resourceGroups/rg/providers/" + typ + "/it" + compute24
				s.want(t, 201, "owner", "PUT", path, first)
				s.want(t, 200, "owner", "PUT", path, located(row.body))
				var want, got map[string]any
				must(t, json.Unmarshal([]byte(row.want), &want))
				decode(t, s.want(t, 200, "owner", "GET", path, ""), &got)
				for _, name := range []string{"id", "name", "type", "location", "etag"} {
					delete(got, name)
				}
				properties, _ := got["properties"].(map[string]any)
				for _, name := range []string{"provisioningState", "vmId", "timeCreated"} {
					delete(properties, name)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}

// located adds the location that a PUT must have to a body.
func located(body string) string {
	return `{"location":"eastus",` + strings.TrimPrefix(body, "{")
}

// TestPutOfOtherProvidersReplacesProperties checks that the update semantics of Microsoft.Compute are not
// those of every provider.
func TestPutOfOtherProvidersReplacesProperties(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	const path = "{sub}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/it" + compute24
	s.want(t, 201, "owner", "PUT", path, `{"location":"eastus","tags":{"a":"1"},"sku":{"name":"x"},"properties":{"a":1}}`)
	got := s.want(t, 200, "owner", "PUT", path, `{"location":"eastus","properties":{"b":2}}`).Body.String()
	if strings.Contains(got, `"a"`) || strings.Contains(got, `"sku"`) || !strings.Contains(got, `"b":2`) {
		t.Error(got)
	}
}

// TestPutOfAPlanWithAnotherSkuDropsTheOldTier checks that the tier of an App Service plan does not outlive the name
// from which it follows, and that the capacity stays.
func TestPutOfAPlanWithAnotherSkuDropsTheOldTier(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	plan := "{sub}/resourceGroups/rg/providers/Microsoft.Web/serverfarms/plan" + compute24
	s.want(t, 201, "owner", "PUT", plan, `{"location":"eastus","sku":{"name":"S1","tier":"Standard","size":"S1","Family":"S","capacity":2}}`)
	for _, row := range [][2]string{
		{`{"name":"s1"}`, `{"Family":"S","capacity":2,"name":"s1","size":"S1","tier":"Standard"}`},
		{`{"capacity":3}`, `{"Family":"S","capacity":3,"name":"s1","size":"S1","tier":"Standard"}`},
		{`{"Name":"P1v2","tier":"PremiumV2"}`, `{"capacity":3,"name":"P1v2","tier":"PremiumV2"}`},
		{`{"name":"B1"}`, `{"capacity":3,"name":"B1"}`},
		{`"B1"`, `"B1"`},
	} {
		var got struct{ SKU json.RawMessage }
		decode(t, s.want(t, 200, "owner", "PUT", plan, `{"location":"eastus","sku":`+row[0]+`}`), &got)
		if string(got.SKU) != row[1] {
			t.Errorf("after %s: %s, want %s", row[0], got.SKU, row[1])
		}
	}
}

// TestPutOfAScaleSetKeepsItsMachines checks that a PUT without a sku, or without its capacity, keeps the instances
// of a scale set and its orchestration mode.
func TestPutOfAScaleSetKeepsItsMachines(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", setPath+compute24, `{"location":"eastus","sku":{"name":"A1","tier":"Standard","capacity":3}}`)
	count := func() int {
		var list struct{ Value []struct{ ID string } }
		decode(t, s.want(t, 200, "owner", "GET", setPath+"/virtualMachines"+compute24, ""), &list)
		return len(list.Value)
	}
	for _, sku := range []string{"", `,"sku":null`, `,"sku":{"name":"A2"}`, `,"sku":{"capacity":null}`, `,"sku":{}`} {
		w := s.want(t, 200, "owner", "PUT", setPath+compute24, fmt.Sprintf(`{"location":"eastus","tags":{"a":"1"}%s}`, sku))
		if n := count(); n != 3 || !strings.Contains(w.Body.String(), `"capacity":3`) {
			t.Errorf("%s: %d machines, %s", sku, n, w.Body)
		}
	}
	s.want(t, 200, "owner", "PUT", setPath+compute24, `{"location":"eastus","sku":{"capacity":0}}`)
	if n := count(); n != 0 {
		t.Errorf("capacity 0 left %d machines", n)
	}
	flexible := strings.Replace(setPath, "/none", "/flexible", 1) + compute24
	s.want(t, 201, "owner", "PUT", flexible, `{"location":"eastus","properties":{"orchestrationMode":"Flexible"}}`)
	if w := s.want(t, 200, "owner", "PUT", flexible, `{"location":"eastus"}`); !strings.Contains(w.Body.String(), `"Flexible"`) {
		t.Error(w.Body)
	}
}

// TestPutOfAMachineKeepsItsModel checks that an update of the tags of a virtual machine leaves its model.
func TestPutOfAMachineKeepsItsModel(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus","zones":["1"],"properties":{"hardwareProfile":{"vmSize":"Standard_B1s"},"storageProfile":{"osDisk":{"createOption":"FromImage"},"dataDisks":[{"lun":0,"createOption":"Empty"}]}}}`)
	first := s.machine(t)
	s.want(t, 200, "owner", "PUT", vmPath+compute24, `{"location":"eastus","tags":{"a":"1"},"properties":{"storageProfile":{"dataDisks":[]}}}`)
	got := s.want(t, 200, "owner", "GET", vmPath+compute24, "").Body.String()
	for _, part := range []string{`"Standard_B1s"`, `"osDisk":{"createOption":"FromImage"}`, `"dataDisks":[]`, `"zones":["1"]`, first.Properties.VMID} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is missing: %s", part, got)
		}
	}
}
