package state_test

import (
	"strings"
	"testing"

	"midas/internal/state"
)

var defaults = state.Defaults{SubscriptionID: "10000000-0000-4000-8000-000000000002", TenantID: "10000000-0000-4000-8000-000000000001", Domain: "midas.localhost"}

func load(name, text string) error {
	_, err := state.Load([]state.File{{Name: name, Text: []byte(text)}}, defaults)
	return err
}

func TestMistakesHaveTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown field", "identities:\n- name: app\n  resourceGrup: rg1", `f.yaml:3:3: "identities" has no field "resourceGrup". Did you mean "resourceGroup"?`},
		{"unknown part", "idenities: []", `f.yaml:1:1: The file has no field "idenities". Did you mean "identities"?`},
		{"resource group among groups", "groups:\n- name: rg1\n  location: eastus", `resource groups are declared in "resourceGroups"`},
		{"missing field", "identities:\n- name: app", `f.yaml:2:3: "identities" has no "resourceGroup".`},
		{"twice", "resourceGroups: [{name: rg1, location: eastus}]\n---\nresourceGroups: [{name: RG1}]", "f.yaml:3:18: The resource group RG1 is declared twice; the first is at f.yaml:1:18."},
		{"twice in another case", "resourceGroups:\n- name: rg1\n  Name: rg1", `"Name" is here a second time`},
		{"name of an identity", "identities: [{name: _x, resourceGroup: rg1}]", "f.yaml:1:21: \"name\": The resource name '_x' is invalid."},
		{"name of a group", "resourceGroups: [{name: 'a?'}]", "may hold only letters"},
		{"name of a resource", "resources: [{type: A.B/c, name: 'a%', resourceGroup: rg1}]", "contains the character '%'"},
		{"nested name", "resources: [{type: A.B/c/d, name: a, resourceGroup: rg1}]", `The name "a" has 1 parts, and the type "A.B/c/d" needs 2.`},
		{"other subscription", "roleAssignments: [{role: Reader, principal: {user: a}, scope: /subscriptions/20000000-0000-4000-8000-000000000002}]", "f.yaml:1:63: \"/subscriptions/20000000-0000-4000-8000-000000000002\" is in another subscription"},
		{"other tenant", "resources: [{type: A.B/c, name: a, resourceGroup: rg1, identity: {type: None, tenantId: 20000000-0000-4000-8000-000000000002}}]", "is another tenant than"},
		{"cycle of groups", "groups: [{displayName: a, members: [{group: b}]}, {displayName: b, members: [{group: a}]}]", "Groups are members of each other in a cycle"},
		{"member of itself", "groups: [{displayName: a, members: [{group: A}]}]", "cycle: group a has the member group a"},
		{"two principals", "roleAssignments: [{role: Reader, principal: {user: a, group: b}}]", "exactly one of user, group, application, identity, resource, id"},
		{"no principal", "roleAssignments: [{role: Reader}]", "f.yaml:1:19: A role assignment needs a \"principal\"."},
		{"kind of identity", "resources: [{type: A.B/c, name: a, resourceGroup: rg1, identity: {type: System}}]", `"System" is not None, SystemAssigned, UserAssigned`},
		{"identity as resource", "resources: [{type: Microsoft.ManagedIdentity/userAssignedIdentities, name: app, resourceGroup: rg1}]", `are declared in "identities"`},
		{"fixed id", "users: [{userPrincipalName: a, id: 20000000-0000-4000-8000-000000000002}]", `"id" can be fixed only on a server with --lab.`},
		{"fixed secret", "applications: [{displayName: a, passwordCredentials: [{displayName: s, secretText: x}]}]", `"secretText" can be fixed only on a server with --lab.`},
		{"tags", "resourceGroups: [{name: rg1, tags: {'a<b': x}}]", "reserved characters"},
		{"text", "resourceGroups: [{name: [rg1]}]", `f.yaml:1:25: "name" must be a text, not a list.`},
		{"alias in itself", "resourceGroups: &a [*a]", "nested more than 100 deep"},
		{"not YAML", "a: [", "f.yaml:1:1: The file is not YAML"},
		{"federated", "identities: [{name: app, resourceGroup: rg1, federatedCredentials: [{name: abc, properties: {issuer: 'http://x', subject: s}}]}]", "must be an https URL"},
	} {
		err := load("f.yaml", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestAllMistakesAreFoundAtOnce(t *testing.T) {
	err := load("f.yaml", "resourceGroups:\n- {name: 'a?'}\n- {nam: b}\nusers: 7\n")
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v", err)
	}
}

func TestJSONHasPlacesAndItsOwnRules(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{\"resourceGroups\": [\n  {\"name\": \"rg1\", \"x\": 1}]}", `f.json:2:19: "resourceGroups" has no field "x".`},
		{"{\"resourceGroups\": [\n  {\"name\": }]}", "f.json:2:12: The file is not JSON"},
		{`{"users": [{"userPrincipalName": "a\"b"}], "users": []}`, `f.json:1:44: "users" is here a second time`},
		{`{} {}`, "more text after the JSON value"},
	} {
		if err := load("f.json", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
	if err := load("f.json", `{"users": [{"userPrincipalName": "a", "displayName": "\ud83d\ude00 \/"}]}`); err != nil {
		t.Error(err)
	}
}

func TestAliasesAndMergeKeysAreReplaced(t *testing.T) {
	if err := load("f.yaml", "resourceGroups:\n- &base {name: rg1, location: eastus, tags: &t {a: b}}\n- {<<: *base, name: rg2, tags: *t}\n"); err != nil {
		t.Error(err)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'h'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	if err := load("f.yaml", bomb); err == nil || !strings.Contains(err.Error(), "it has more than") {
		t.Errorf("got %.200v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"{}", "resourceGroups: [{name: rg1}]", "a: &a [*a]", "<<: {a: b}", "{\"a\": [1, null]}", "? [a]\n: b", "- 1", "identities: [{name: app, resourceGroup: rg1, federatedCredentials: [{name: abc}]}]", "roleAssignments: [{role: Reader, principal: {identity: a/b/c}, scope: x}]",
		"applications: [{displayName: a, id: x, servicePrincipal: {id: 30000000-0000-4000-8000-000000000001}, passwordCredentials: [{displayName: s, secretText: x}]}]\nroleAssignments: [{role: Reader, principal: {id: 30000000-0000-4000-8000-000000000001}}]",
		`{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": [{"type": "[concat('A.B/c')]", "name": "[parameters('x')]"}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lab := defaults
		lab.Lab = true
		for _, name := range []string{"f.yaml", "f.json"} {
			_ = load(name, text)
			_, _ = state.Load([]state.File{{Name: name, Text: []byte(text)}}, lab)
		}
	})
}
