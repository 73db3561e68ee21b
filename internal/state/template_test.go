package state_test

import (
	"strings"
	"testing"

	"midas/internal/state"
)

func TestTemplatesAreApplied(t *testing.T) {
	s, wire := serve(t)
	apply(t, s, group, state.Options{})
	defaults := s.Defaults()
	defaults.ResourceGroup, defaults.Parameters = "rg1", map[string]string{"name": "api"}
	for run := range 2 {
		d, err := state.Load([]state.File{{Name: "template.json", Text: []byte(read(t, "testdata/template.json"))}}, defaults)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Plan(t.Context(), d, state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		before := wire.writes.Load()
		r, err := p.Apply(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{6, 0}[run]; r.Created != want || r.Changed != 0 || run == 1 && wire.writes.Load() != before {
			t.Errorf("run %d: %+v\n%s", run, r, lines(t, p))
		}
	}
	if text := export(t, s, "resourceGroups/rg1"); !strings.Contains(text, "name: id-api") || !strings.Contains(text, "unique: zavj67f3en4hc") || !strings.Contains(text, "location: eastus") {
		t.Error(text)
	}
}

func TestMistakesInTemplatesHaveTheirPlace(t *testing.T) {
	const head = `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
"parameters": {"p": {"type": "string"}}, "variables": {"a": "[variables('b')]", "b": "[variables('a')]"},
"resources": [{"type": "Microsoft.ManagedIdentity/userAssignedIdentities",
`
	group := defaults
	group.ResourceGroup = "rg1"
	for _, c := range []struct{ text, want string }{
		{`"name": "[newGuid()]"}]}`, `t.json:4:9: the template function "newGuid" is not supported. Did you mean "guid"?`},
		{`"name": "[parameters('p')]"}]}`, `t.json:4:9: the parameter "p" has no value: give it with --parameter p=VALUE.`},
		{`"name": "[parameters('q')]"}]}`, `t.json:4:9: the template has no parameter "q".`},
		{`"name": "[variables('a')]"}]}`, `t.json:2:86: the variable a depends on itself.`},
		{`"name": "[concat('a']"}]}`, `concat( has no ) or ,`},
		{`"name": "[concat('a)]"}]}`, `has no closing '`},
		{`"name": "abc", "tags": {"x": "[reference('abc').clientId]"}}]}`, `t.json:4:30: reference(…).clientId is not supported`},
		{`"name": "_"}]}`, `The resource name '_' is invalid`},
		{`"name": "abc", "copy": {"count": 9000}}]}`, `The count of copy must be a number up to 800.`},
	} {
		_, err := state.Load([]state.File{{Name: "t.json", Text: []byte(head + c.text)}}, group)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant %s", c.text, err, c.want)
		}
	}
	if err := load("t.json", head+`"name": "abc"}]}`); err == nil || !strings.Contains(err.Error(), "The template is for a resource group: name one with -g.") {
		t.Errorf("got %v", err)
	}
}
