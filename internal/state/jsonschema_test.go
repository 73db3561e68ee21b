package state_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"midas/internal/state"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(state.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("state.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("state.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// The schema comes from the loader's table: both accept the examples, and both refuse the same mistakes.
func TestSchemaAgreesWithTheLoader(t *testing.T) {
	s := schema(t)
	page, err := os.ReadFile("../../docs/state.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := []string{read(t, "testdata/all.yaml")}
	for _, found := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		examples = append(examples, string(found[1]))
	}
	if len(examples) < 2 {
		t.Errorf("%d examples", len(examples))
	}
	lab := defaults
	lab.Lab = true // the page shows fixed ids
	for _, text := range examples {
		if _, err := state.Load([]state.File{{Name: "example.yaml", Text: []byte(text)}}, lab); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		if err := s.Validate(value(t, text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	for _, text := range []string{
		"identities: [{name: app}]", "idenities: []", "users: 7", "roleAssignments: [{role: Reader, principal: {user: a, group: b}}]",
		"identities: [{name: app, resourceGroup: rg1, properties: {isolationScope: Global}}]", "groups: [{displayName: a, members: [anna]}]",
		"users: [{userPrincipalName: a, accountEnabled: 1}]", "resourceGroups: [{name: rg1, tags: []}]",
	} {
		if load("example.yaml", text) == nil || s.Validate(value(t, text)) == nil {
			t.Errorf("accepted by the loader (%v) or by the schema (%v): %s", load("example.yaml", text), s.Validate(value(t, text)), text)
		}
	}
}

// value returns a YAML text as the JSON value that validators take.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
