package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/arm"
	"midas/internal/resource"

	"midas/internal/api/management/wire"
)

// TestManyFieldsAreMergedInLinearTime merges as many other fields as a request can have into a resource. Comparing
// each name with each other would take hours, so the test would time out.
func TestManyFieldsAreMergedInLinearTime(t *testing.T) {
	t.Parallel()
	const fields = 1 << 17
	many := func(letter string) string {
		var b strings.Builder
		for i := range fields {
			fmt.Fprintf(&b, `"%s%x":0,`, letter, i)
		}
		return "{" + strings.TrimSuffix(b.String(), ",") + "}"
	}
	var body wire.ResourceBody
	must(t, json.Unmarshal([]byte(`{"location":"eastus","properties":`+many("b")+`}`), &body))
	old := resource.Record{Type: machine, Location: "eastus", Created: time.Unix(1, 0), Properties: json.RawMessage(many("a"))}
	for name, change := range map[string]func(resource.Record) (resource.Record, error){"PUT": body.Replace, "PATCH": body.Merge} {
		rec, err := change(old)
		must(t, err)
		if n := strings.Count(string(rec.Properties), ":0"); n != 2*fields {
			t.Errorf("%s: %d fields", name, n)
		}
	}
}

// TestPutRemovesWhatOnlyTheCallerKnows checks which parts a PUT replaces as a whole in the types that keep what a PUT
// leaves out.
func TestPutRemovesWhatOnlyTheCallerKnows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ             arm.Type
		name            string
		old, body, want string
	}{
		{machine + "/extensions", "e", `{"publisher":"p","settings":{"a":1,"b":{"c":1}}}`, `{"Settings":{"b":{"d":2}}}`, `{"Settings":{"b":{"d":2}},"publisher":"p"}`},
		{machine + "/extensions", "e", `{"publisher":"p","settings":{"a":1}}`, `{"settings":{}}`, `{"publisher":"p","settings":{}}`},
		{machine + "/extensions", "e", `{"publisher":"p","settings":{"a":1}}`, `{"settings":null,"type":"t"}`, `{"publisher":"p","settings":{"a":1},"type":"t"}`},
		{"microsoft.compute/VirtualMachineScaleSets/Extensions", "e", `{"SETTINGS":{"a":1}}`, `{"settings":{"b":1}}`, `{"settings":{"b":1}}`},
		{machine, "m", `{"settings":{"a":1}}`, `{"settings":{"b":1}}`, `{"settings":{"a":1,"b":1}}`},
		{"Microsoft.Web/sites/config", "metadata", `{"a":"1","b":"2"}`, `{"B":"3"}`, `{"B":"3"}`},
		{"Microsoft.Web/sites/slots/config", "MetaData", `{"a":"1"}`, `{"b":"3"}`, `{"b":"3"}`},
		{"Microsoft.Web/sites/config", "web", `{"a":"1"}`, `{"b":"3"}`, `{"a":"1","b":"3"}`},
		{"Microsoft.Web/sites", "metadata", `{"a":"1"}`, `{"b":"3"}`, `{"a":"1","b":"3"}`},
		{"Microsoft.Web/connections", "c", `{"a":"1"}`, `{"b":"3"}`, `{"b":"3"}`},
		{"Microsoft.Web/customApis", "c", `{"a":"1"}`, `{"b":"3"}`, `{"b":"3"}`},
		{machine, "m", `{"a":1,"A":2}`, `{"a":3}`, `{"A":2,"a":3}`},
		{machine, "m", `{"size":1,"SIZE":2}`, `{"Size":3}`, `{"SIZE":3,"size":1}`},
	} {
		var body wire.ResourceBody
		must(t, json.Unmarshal([]byte(`{"location":"eastus","properties":`+c.body+`}`), &body))
		rec, err := body.Replace(resource.Record{Type: c.typ, Name: c.name, Location: "eastus", Created: time.Unix(1, 0), Properties: json.RawMessage(c.old)})
		must(t, err)
		if string(rec.Properties) != c.want {
			t.Errorf("%s %s of %s: %s, want %s", c.body, c.typ, c.old, rec.Properties, c.want)
		}
	}
}

// TestPatchFindsFieldsInOtherSpellings checks that a PATCH leaves no field in two spellings.
func TestPatchFindsFieldsInOtherSpellings(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"HardwareProfile":{"VMSize":"big"}}`: `{"hardwareProfile":{"vmSize":"big"},"zone":1}`,
		`{"HARDWAREPROFILE":null}`:             `{"zone":1}`,
		`{"Zone":null,"zone":2}`:               `{"hardwareProfile":{"vmSize":"small"},"zone":2}`,
	} {
		var read wire.ResourceBody
		must(t, json.Unmarshal([]byte(`{"properties":`+body+`}`), &read))
		rec, err := read.Merge(resource.Record{Type: machine, Properties: json.RawMessage(`{"hardwareProfile":{"vmSize":"small"},"zone":1}`)})
		must(t, err)
		if string(rec.Properties) != want {
			t.Errorf("%s: %s, want %s", body, rec.Properties, want)
		}
	}
}
