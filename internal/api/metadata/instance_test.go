package metadata_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/metadata"
	"midas/internal/host"
)

func machine() host.Instance {
	return host.Instance{
		ID: vmID, TenantID: tenantID, SubscriptionID: "s1", ResourceGroup: "rg1",
		Type: "Microsoft.Compute/virtualMachines", Name: "web1", Location: "eastus",
		Tags: map[string]string{"b": "2", "a": "1"}, Zones: []string{"3"}, UniqueID: guid,
		Plan: json.RawMessage(`{"name":"p1","product":"p2","publisher":"p3"}`),
		Properties: json.RawMessage(`{"hardwareProfile":{"vmSize":"Standard_D2s_v3"},
			"osProfile":{"computerName":"web","adminUsername":"azureuser","linuxConfiguration":{"disablePasswordAuthentication":true,"ssh":{"publicKeys":[{"path":"/k","keyData":"ssh-rsa A"}]}}},
			"storageProfile":{"imageReference":{"publisher":"Canonical","offer":"ubuntu","sku":"22_04","version":"latest"},"osDisk":{"diskSizeGB":30,"caching":"ReadWrite"},"dataDisks":[{"lun":0,"name":"d0"}]}}`),
		Interfaces: []json.RawMessage{json.RawMessage(`{"macAddress":"00-0d-3a-01-02-03","ipConfigurations":[{"properties":{"privateIPAddress":"10.0.0.4","subnet":{"properties":{"addressPrefix":"10.0.0.0/24"}}}},{"properties":{"privateIPAddress":"fd00::4"}}]}`)},
	}
}

func TestInstanceElements(t *testing.T) {
	h := serve(t, metadata.NewIMDS(config(&source{instance: machine()})))
	for path, c := range map[string]struct {
		query  string
		status int
		body   string
	}{
		"":                      {"&format=text", 200, "compute/\nnetwork/"},
		"/":                     {"&format=text", 200, "compute/\nnetwork/"},
		"/compute/name":         {"&format=text", 200, "web1"},
		"/compute/name/":        {"&format=text", 200, "web1"},
		"/compute/vmId":         {"&format=text", 200, guid},
		"/compute/vmSize":       {"&format=text", 200, "Standard_D2s_v3"},
		"/compute/tags":         {"&format=text", 200, "a:1;b:2"},
		"/compute/resourceId":   {"&format=text", 200, vmID},
		"/compute/osType":       {"&format=text", 200, "Linux"},
		"/compute/zone":         {"&format=text", 200, "3"},
		"/compute/plan":         {"", 200, `{"name":"p1","product":"p2","publisher":"p3"}`},
		"/compute/osProfile":    {"", 200, `{"adminUsername":"azureuser","computerName":"web","disablePasswordAuthentication":"true"}`},
		"/compute/tagsList":     {"", 200, `[{"name":"a","value":"1"},{"name":"b","value":"2"}]`},
		"/compute/tagsList/1":   {"&format=text", 200, "name\nvalue"},
		"/compute/publicKeys":   {"", 200, `[{"keyData":"ssh-rsa A","path":"/k"}]`},
		"/network/interface/0":  {"", 200, `{"ipv4":{"ipAddress":[{"privateIpAddress":"10.0.0.4","publicIpAddress":""}],"subnet":[{"address":"10.0.0.0","prefix":"24"}]},"ipv6":{"ipAddress":[{"privateIpAddress":"fd00::4"}]},"macAddress":"000D3A010203"}`},
		"/network/interface":    {"&format=text", 200, "0/"},
		"/network/interface/1":  {"", 404, `{"error":"Not found"}`},
		"/network/interface/-1": {"", 404, `{"error":"Not found"}`},
		"/compute/identity":     {"", 404, `{"error":"Not found"}`},
		"/compute/name/x":       {"&format=text", 404, `{"error":"Not found"}`},
		"/compute/location":     {"", 400, `{"error":"Bad request. A single value has no JSON form; ask for format=text"}`},
		"/compute/sku":          {"&format=xml", 400, `{"error":"Bad request. The format must be json or text"}`},
		"/compute/storageProfile/osDisk/diskSizeGB": {"&format=text", 200, "30"},
	} {
		w := call("GET /metadata/instance"+path+"?api-version=2021-02-01"+c.query+flag).do(t, h)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s: %d %s\nwant %d %s", path, w.Code, w.Body, c.status, c.body)
		}
	}
}

func TestInstanceElementsDependOnTheVersion(t *testing.T) {
	h := serve(t, metadata.NewIMDS(config(&source{instance: machine()})))
	for version, want := range map[string]bool{"2017-04-02": false, "2019-02-01": false, "2019-03-11": true, "2025-04-07": true} {
		w := call("GET /metadata/instance/compute?api-version="+version+flag).do(t, h)
		got := decoded(t, w.Body)
		if _, has := got["resourceId"]; has != want || got["name"] != "web1" {
			t.Errorf("%s: %v", version, got)
		}
	}
}

// Every leaf is a string, also for resources without properties and with invalid ones.
func TestInstanceLeavesAreStrings(t *testing.T) {
	var check func(t *testing.T, path string, v any)
	check = func(t *testing.T, path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, e := range v {
				check(t, path+"/"+name, e)
			}
		case []any:
			for _, e := range v {
				check(t, path+"/#", e)
			}
		case string:
		default:
			t.Errorf("%s is %T", path, v)
		}
	}
	for name, in := range map[string]host.Instance{
		"full": machine(), "empty": {}, "nonsense": {Properties: json.RawMessage(`{"osProfile":[1],"storageProfile":null,"zones":{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			w := call("GET /metadata/instance?api-version=2025-04-07"+flag).do(t, serve(t, metadata.NewIMDS(config(&source{instance: in}))))
			check(t, "", decoded(t, w.Body))
		})
	}
}

func TestHostInterfacesAreUsedIfTheResourceHasNone(t *testing.T) {
	cfg := config(&source{})
	cfg.Interfaces = func() []metadata.Interface {
		return []metadata.Interface{{MAC: "0a:0b:0c:00:00:01", Addresses: []netip.Prefix{
			netip.MustParsePrefix("192.0.2.9/26"), netip.MustParsePrefix("2001:db8::9/64"),
		}}}
	}
	w := call("GET /metadata/instance/network/interface/0?api-version=2021-02-01"+flag).do(t, serve(t, metadata.NewIMDS(cfg)))
	want := `{"ipv4":{"ipAddress":[{"privateIpAddress":"192.0.2.9","publicIpAddress":""}],"subnet":[{"address":"192.0.2.0","prefix":"26"}]},"ipv6":{"ipAddress":[{"privateIpAddress":"2001:db8::9"}]},"macAddress":"0A0B0C000001"}`
	if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); diff != "" {
		t.Error(diff)
	}
}
