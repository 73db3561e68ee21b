package management_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// The machines of a scale set get its tags whichever request changes them, and keep the tags of their own.
func TestTagsOfAScaleSetReachItsMachines(t *testing.T) {
	s := newStack(t)
	const set = "{sub}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/set"
	const tags = "/providers/Microsoft.Resources/tags/default" + core
	want := func(machine string, wanted map[string]string) {
		t.Helper()
		var got struct{ Tags map[string]string }
		decode(t, s.want(t, 200, "reader", "GET", set+"/virtualMachines/"+machine+compute24, ""), &got)
		if !maps.Equal(got.Tags, wanted) {
			t.Errorf("machine %s: %v, want %v", machine, got.Tags, wanted)
		}
	}
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", set+compute24, `{"location":"eastus","sku":{"name":"B1s","capacity":52},"tags":{"a":"1","b":"1"}}`)
	s.want(t, 200, "owner", "PATCH", set+"/virtualMachines/1"+tags, `{"operation":"Merge","properties":{"tags":{"own":"x","b":"mine"}}}`)
	want("1", map[string]string{"a": "1", "b": "mine", "own": "x"})

	s.want(t, 200, "owner", "PATCH", set+tags, `{"operation":"Merge","properties":{"tags":{"A":"2","c":"3"}}}`)
	for _, machine := range []string{"0", "49", "50", "51"} {
		want(machine, map[string]string{"A": "2", "b": "1", "c": "3"})
	}
	want("1", map[string]string{"A": "2", "b": "1", "c": "3", "own": "x"})
	s.want(t, 200, "owner", "PATCH", set+compute24, `{"tags":{"d":"4"}}`)
	want("51", map[string]string{"d": "4"})
	want("1", map[string]string{"d": "4", "own": "x"})
	s.want(t, 200, "owner", "PUT", set+compute24, `{"location":"eastus","sku":{"name":"B2s","capacity":53},"tags":{"e":"5"}}`)
	want("0", map[string]string{"e": "5"})
	want("52", map[string]string{"e": "5"})
	s.want(t, 200, "owner", "DELETE", set+tags, "")
	want("0", nil)
	want("1", map[string]string{"own": "x"})

	var got struct{ SKU json.RawMessage }
	decode(t, s.want(t, 200, "reader", "GET", set+"/virtualMachines/0"+compute24, ""), &got)
	if string(got.SKU) != `{"name":"B2s"}` {
		t.Errorf("sku %s", got.SKU)
	}
}

// Proxy resources have no tags, so that nothing is written that no list shows.
func TestProxyResourcesHaveNoTags(t *testing.T) {
	s := newStack(t)
	const network = "{sub}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/n"
	const tags = "/providers/Microsoft.Resources/tags/default" + core
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", network+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", network+"/subnets/s"+compute24, `{"properties":{}}`)
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		w := s.want(t, 400, "owner", method, network+"/subnets/s"+tags, `{"operation":"Merge","properties":{"tags":{"a":"1"}}}`)
		if !strings.Contains(w.Body.String(), "ResourceTypeNotSupported") {
			t.Error(w.Body)
		}
	}
	s.want(t, 200, "owner", "PUT", network+tags, `{"properties":{"tags":{"a":"1"}}}`)
}

// Azure reserves prefixes of predefined tag names, and not of the tags of resources.
func TestPredefinedTagNamesHaveNoReservedPrefix(t *testing.T) {
	s := newStack(t)
	for _, name := range []string{"microsoft", "Azure-x", "WINDOWS1"} {
		if w := s.want(t, 400, "owner", "PUT", "{sub}/tagNames/"+name+core, ""); !strings.Contains(w.Body.String(), "InvalidTagName") {
			t.Error(w.Body)
		}
		s.want(t, 200, "owner", "PUT", "{sub}/providers/Microsoft.Resources/tags/default"+core, `{"properties":{"tags":{"`+name+`":"1"}}}`)
	}
	s.want(t, 201, "owner", "PUT", "{sub}/tagNames/my-azure"+core, "")
}
