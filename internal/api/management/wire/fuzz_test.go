package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/rbac"
	"midas/internal/resource"
)

const (
	scope   = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg"
	machine = "Microsoft.Compute/virtualMachines"
)

// FuzzGroupBody reads any body as that of a resource group.
func FuzzGroupBody(f *testing.F) {
	f.Add(`{"location":"eastus","tags":{"a":"b"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var body wire.GroupBody
		if !decode(t, text, &body) {
			return
		}
		old := resource.Record{ID: scope, Name: "rg", Location: "eastus", Tags: map[string]string{"k": "v"}, State: resource.Succeeded}
		put, err := body.Replace(old.Clone())
		if len(body.ManagedBy.Value) <= 2048 && refused(t, text, err) != (body.Location.Value == "") {
			t.Fatalf("%q: a PUT with the location %q: %v", text, body.Location.Value, err)
		}
		if err == nil && (put.Location != body.Location.Value || put.ID != old.ID || !cmp.Equal(put.Tags, body.Tags.Value)) {
			t.Fatalf("%q: a PUT makes %+v", text, put)
		}
		patched, err := body.Merge(old.Clone())
		if refused(t, text, err) {
			return
		}
		if patched.Location == "" || !body.Tags.Present && !cmp.Equal(patched.Tags, old.Tags) || body.Tags.Null && patched.Tags != nil {
			t.Fatalf("%q: a PATCH makes %+v", text, patched)
		}
		encoded(t, wire.EncodeGroup("2021-04-01", patched))
	})
}

// FuzzRoleAssignmentBody reads any body as that of a role assignment.
func FuzzRoleAssignmentBody(f *testing.F) {
	f.Add(`{"properties":{"roleDefinitionId":"` + scope + `/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"33333333-3333-3333-3333-333333333333"}}`)
	at, err := arm.ParseID(scope + "/providers/Microsoft.Authorization/roleAssignments/name")
	must(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		var body wire.RoleAssignmentBody
		if !decode(t, text, &body) {
			return
		}
		a, err := body.Write("2022-04-01", at)
		if refused(t, text, err) {
			if !cmp.Equal(a.Assignment, rbac.Assignment{}) {
				t.Fatalf("%q: an error, and %+v", text, a)
			}
			return
		}
		p := body.Properties
		if a.Scope != scope || a.Name != "name" || a.PrincipalID != p.PrincipalID || a.PrincipalID == "" ||
			!arm.IsGUID(a.DefinitionID) || !strings.HasSuffix(arm.Fold(strings.TrimSuffix(p.RoleDefinitionID, "/")), "/"+a.DefinitionID) {
			t.Fatalf("%q: the assignment is %+v", text, a)
		}
		if (a.Condition == nil) != (p.Condition == nil) {
			t.Fatalf("%q: the condition is lost or made up", text)
		}
		for _, v := range []arm.Version{"2015-07-01", "2018-09-01-preview", "2022-04-01"} {
			out := encoded(t, wire.EncodeRoleAssignment(v, arm.ID{}, a.Assignment, false))
			if strings.Contains(out, `"condition":`) != (v == "2022-04-01") {
				t.Fatalf("%q: in %s it is %s", text, v, out)
			}
		}
	})
}

// FuzzFederatedBody reads any body as that of a federated identity credential, in every version.
func FuzzFederatedBody(f *testing.F) {
	f.Add(`{"properties":{"issuer":"https://issuer.test","subject":"s","audiences":["api://AzureADTokenExchange"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var body wire.FederatedBody
		if !decode(t, text, &body) {
			return
		}
		for _, gate := range wire.Gates() {
			asked := body.Credential(gate.Version)
			if !gate.Matching && asked.Matching != nil {
				t.Fatalf("%q: %s does not know matching, and it is %+v", text, gate.Version, asked.Matching)
			}
			var again wire.FederatedBody
			first := encoded(t, wire.EncodeFederated(gate.Version, asked))
			must(t, wire.Decode([]byte(first), &again))
			if second := encoded(t, wire.EncodeFederated(gate.Version, again.Credential(gate.Version))); first != second {
				t.Fatalf("%q: in %s shown as %s, and given back as %s", text, gate.Version, first, second)
			}
		}
	})
}

// FuzzResourceBody reads any body as that of a resource with an identity.
func FuzzResourceBody(f *testing.F) {
	f.Add(`{"properties":{"state":"s","State":null},"other":{"t":{"state":"s"},"state":"s","State":null},"KIND":null}`)
	f.Add(`{"location":"eastus","identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"` + scope + `/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app":{}}},"properties":{"a":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var body wire.ResourceBody
		if !decode(t, text, &body) {
			return
		}
		for name := range body.Extra {
			switch arm.Fold(name) {
			case "id", "name", "type", "etag", "systemdata", "location", "tags", "properties", "identity":
				t.Fatalf("%q: %q is kept as the client's own", text, name)
			}
		}
		checkRecords(t, text, body)
		checkIdentityChanges(t, text, body)
	})
}

// checkRecords wants that what a PUT makes of a resource is what its answer shows, and that a PATCH
// that comes twice changes nothing more.
func checkRecords(t *testing.T, text string, body wire.ResourceBody) {
	t.Helper()
	old := resource.Record{
		ID: scope + "/providers/" + machine + "/m", Name: "m", Type: machine, Location: "eastus", Properties: json.RawMessage(`{"a":{"b":1}}`),
		Tags: map[string]string{"k": "v"}, Extra: map[string]json.RawMessage{"kind": json.RawMessage(`"k"`)},
	}
	put, err := body.Replace(old.Clone())
	must(t, err)
	var again wire.ResourceBody
	must(t, wire.Decode([]byte(shown(t, put)), &again))
	same, err := again.Replace(old.Clone())
	must(t, err)
	if a, b := shown(t, put), shown(t, same); a != b {
		t.Fatalf("%q: shown as %s, and given back as %s", text, a, b)
	}
	old.Created = time.Unix(1, 0) // a PUT of an existing machine keeps what it leaves out
	for name, change := range map[string]func(resource.Record) (resource.Record, error){"patched": body.Merge, "put": body.Replace} {
		once, err := change(old.Clone())
		must(t, err)
		twice, err := change(once.Clone())
		must(t, err)
		if a, b := shown(t, once), shown(t, twice); a != b {
			t.Fatalf("%q: %s once %s, and twice %s", text, name, a, b)
		}
		checkStateOfClient(t, text, once)
	}
	checkStateOfClient(t, text, put)
}

// checkStateOfClient fails the test if properties have a provisioning state, which the server sets.
func checkStateOfClient(t *testing.T, text string, rec resource.Record) {
	t.Helper()
	var properties map[string]json.RawMessage
	if len(rec.Properties) > 0 {
		must(t, json.Unmarshal(rec.Properties, &properties))
	}
	for name := range properties {
		if arm.SameName(name, "provisioningState") {
			t.Fatalf("%q: the client says the %s", text, name)
		}
	}
}

// checkIdentityChanges wants that each identity of a body is either attached or detached, and that only
// lists are attached as lists.
func checkIdentityChanges(t *testing.T, text string, body wire.ResourceBody) {
	t.Helper()
	allow := func(context.Context, []arm.ID) error { return nil }
	for _, v := range []arm.Version{"2017-12-01", "2024-07-01"} {
		for _, merge := range []bool{false, true} {
			a, err := body.IdentityChange(v, machine, merge, allow)
			if refused(t, text, err) {
				continue
			}
			given := body.Identity.Present && !body.Identity.Null
			types := []string{identity.None, identity.SystemAssigned, identity.UserAssigned, identity.Both}
			if slices.Contains(types, a.Type) != given || a.Keep == given || a.List != (v == "2017-12-01" && given) {
				t.Fatalf("%q: in %s, merge %v, it is %+v", text, v, merge, a)
			}
			if all := len(a.Assign) + len(a.Remove); !a.List && all != len(body.Identity.Value.UserAssigned.Value) {
				t.Fatalf("%q: %d identities of %d count", text, all, len(body.Identity.Value.UserAssigned.Value))
			}
		}
	}
}

// decode reads a body, and wants of an error that it is one for clients.
func decode(t *testing.T, text string, into any) bool {
	t.Helper()
	return !refused(t, text, wire.Decode([]byte(text), into))
}

// refused tells whether there is an error, which must be one for clients.
func refused(t *testing.T, text string, err error) bool {
	t.Helper()
	if _, isARM := errors.AsType[*arm.Error](err); err != nil && !isARM {
		t.Fatalf("%q: %v", text, err)
	}
	return err != nil
}

func shown(t *testing.T, rec resource.Record) string {
	t.Helper()
	return encoded(t, wire.EncodeResource("2024-07-01", identity.Resource{Record: rec}, resource.Succeeded))
}

// encoded is an answer, which must be JSON in UTF-8.
func encoded(t *testing.T, answer any) string {
	t.Helper()
	out, err := json.Marshal(answer)
	must(t, err)
	if !utf8.Valid(out) {
		t.Fatalf("the answer is not UTF-8: %q", out)
	}
	return string(out)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
