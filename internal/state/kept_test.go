package state_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"midas/internal/state"
)

const tagged = `
location: eastus
resourceGroups:
- {name: rg1, tags: {empty: "", full: x}}
identities:
- {name: app, resourceGroup: rg1}
- {name: other, resourceGroup: rg1}
users: [{userPrincipalName: anna}, {userPrincipalName: otto}]
applications: [{displayName: ci, tags: [a, b]}]
customRoles:
- properties: {roleName: VM reader, permissions: [{actions: [Microsoft.Compute/*/read]}]}
`

func TestTagsOfApplicationsAreCompared(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, tagged, state.Options{})
	got := apply(t, s, strings.Replace(tagged, "[a, b]", "[a, c]", 1), state.Options{})
	if got.Changed != 1 {
		t.Errorf("other tags: %+v, want one change", got)
	}
	if got := apply(t, s, strings.Replace(tagged, "[a, b]", "[c, a]", 1), state.Options{}); got.Changed != 0 {
		t.Errorf("the same tags in another order: %+v, want no change", got)
	}
}

func TestExportKeepsTagsWithoutValue(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, tagged, state.Options{})
	exported, err := s.Export(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exported.YAML()
	if err != nil || !strings.Contains(string(text), `empty: ""`) {
		t.Errorf("the export has no empty tag: %v\n%s", err, text)
	}
}

func TestPruneKeepsWhatIsReferredTo(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, tagged, state.Options{})
	p := plan(t, s, `
resources:
- {type: Microsoft.Compute/virtualMachines, name: v, resourceGroup: rg1, location: eastus, identity: {type: UserAssigned, userAssignedIdentities: [app]}}
roleAssignments:
- {role: VM reader, principal: {user: anna}, scope: resourceGroups/rg1}
`, state.Options{Prune: "/"})
	deleted := map[string]bool{}
	for _, step := range p.Steps {
		if step.Action == state.Delete {
			deleted[step.Line()] = true
		}
	}
	for _, kept := range []string{"resource group rg1", "identity rg1/app", "user anna@midas.localhost", "custom role VM reader"} {
		if deleted[kept] {
			t.Errorf("the %s would be deleted, to which a declared object refers", kept)
		}
	}
	for _, gone := range []string{"identity rg1/other", "user otto@midas.localhost", "application ci"} {
		if !deleted[gone] {
			t.Errorf("the %s would be kept; deleted are %v", gone, deleted)
		}
	}
	if _, err := p.Apply(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestPruneRefusesEmptyFiles(t *testing.T) {
	s, _ := serve(t)
	for text, refused := range map[string]bool{"": true, "# nothing\n---\n": true, "resourceGroups: []": false} {
		d, err := state.Load([]state.File{{Name: "stdin", Text: []byte(text)}}, s.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Plan(t.Context(), d, state.Options{Prune: "/"}); (err != nil) != refused {
			t.Errorf("%q: %v, refused must be %v", text, err, refused)
		}
	}
}

func TestLoadReadsAliasesAndEncodings(t *testing.T) {
	wide := utf16.Encode([]rune("\ufeff{\"users\": [{\"userPrincipalName\": \"jörg\"}]}"))
	var little []byte
	for _, unit := range wide {
		little = append(little, byte(unit), byte(unit>>8))
	}
	for name, text := range map[string]string{
		"alias.yaml": "users:\n- {userPrincipalName: a, accountEnabled: &t true}\n- userPrincipalName: *t\n- {userPrincipalName: b, accountEnabled: *t}\n",
		"utf16.json": string(little),
		"bom.json":   "\ufeff{\"users\": [{\"userPrincipalName\": \"b\"}]}",
	} {
		if _, err := state.Load([]state.File{{Name: name, Text: []byte(text)}}, state.Defaults{Domain: "x.example"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		"null_":                   "x.yaml:1:1: The file must be an object, not the text \"null_\".",
		"users:\n- <<: 5\n  a: b": "x.yaml:2:7: The file cannot be read: << needs an object or a list of objects.",
	} {
		_, err := state.Load([]state.File{{Name: "x.yaml", Text: []byte(text)}}, state.Defaults{})
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestExportRebuildsExpressionsAndScaleSets(t *testing.T) {
	first, _ := serve(t)
	apply(t, first, `
location: eastus
resourceGroups: [{name: rg1}]
resources:
- {type: Microsoft.Compute/virtualMachineScaleSets, name: set, resourceGroup: rg1, sku: {name: Standard_D2, capacity: 1}}
applications:
- displayName: ci
  federatedIdentityCredentials:
  - {name: branches, issuer: "https://token.actions.githubusercontent.com", claimsMatchingExpression: {value: "claims['sub'] matches 'repo:org/app:*'", languageVersion: 1}}
  - {name: main, issuer: "https://token.actions.githubusercontent.com", subject: "repo:org/app:ref:refs/heads/main"}
`, state.Options{})
	text := exportText(t, first)
	if !strings.Contains(text, "claims['sub'] matches") {
		t.Fatalf("the export has no expression:\n%s", text)
	}
	second, _ := serve(t)
	apply(t, second, text, state.Options{})
	if again := plan(t, second, text, state.Options{}); len(again.Steps) > 0 {
		t.Errorf("a second run changes %s: %+v", again.Steps[0].Line(), again.Steps[0].Differences)
	}
	if other := exportText(t, second); other != text {
		t.Errorf("the exports differ:\n%s\n%s", text, other)
	}
}

func exportText(t *testing.T, s *state.Server) string {
	t.Helper()
	exported, err := s.Export(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exported.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPlansHaveNoControlCharacters(t *testing.T) {
	s, _ := serve(t)
	var out strings.Builder
	if err := plan(t, s, `groups: [{displayName: "x\n\e[31m+ user root"}]`, state.Options{}).Write(&out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("the plan has %d lines, want 2: %q", lines, out.String())
	}
}
