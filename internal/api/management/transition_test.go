package management_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	compute24 = "?api-version=2024-07-01"
	vmPath    = "{sub}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
	setPath   = "{sub}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/none"
	uaiPath   = "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
)

// vmAnswer is an answer with a virtual machine, as far as it concerns the identity.
type vmAnswer struct {
	Identity *struct {
		Type, PrincipalID, TenantID string
		UserAssignedIdentities      map[string]struct{ PrincipalID, ClientID string }
		IdentityIDs                 []string
	}
	Properties struct{ ProvisioningState, VMID string }
}

// identityState names the identities of a machine: "SU ab" has a system-assigned identity and the
// user-assigned a and b.
func (a vmAnswer) state(t *testing.T) string {
	t.Helper()
	if a.Identity == nil {
		return "-"
	}
	kind := map[string]string{"SystemAssigned": "S", "UserAssigned": "U", "SystemAssigned, UserAssigned": "SU"}[a.Identity.Type]
	if (a.Identity.PrincipalID != "") != strings.Contains(kind, "S") || (a.Identity.TenantID == tenant) != strings.Contains(kind, "S") {
		t.Errorf("principal %q and tenant %q of type %s", a.Identity.PrincipalID, a.Identity.TenantID, a.Identity.Type)
	}
	var names string
	for _, id := range slices.Sorted(maps.Keys(a.Identity.UserAssignedIdentities)) {
		names += id[strings.LastIndexByte(id, '/')+1:]
	}
	return strings.TrimSpace(kind + " " + names)
}

// TestIdentityTypeTransitions goes from each set of identities to each other by PUT and by
// PATCH. The table says what becomes of it, or the refusal.
func TestIdentityTypeTransitions(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, name := range []string{"aaa", "bbb", "ccc"} {
		s.want(t, 201, "owner", "PUT", uaiPath+name+"?api-version=2023-01-31", `{"location":"eastus"}`)
	}
	id := func(name string) string { return strings.ReplaceAll(uaiPath+name, "{sub}", "/subscriptions/"+sub) }
	a, b, c := id("aaa"), id("bbb"), id("ccc")
	const none, failed, unnamed = "-", "FailedIdentityOperation", "MissingIdentityIds"
	begins := map[string]string{
		"-":         `{"type":"None"}`,
		"S":         `{"type":"SystemAssigned"}`,
		"U aaa":     fmt.Sprintf(`{"type":"UserAssigned","userAssignedIdentities":{%q:{}}}`, a),
		"U aaabbb":  fmt.Sprintf(`{"type":"UserAssigned","userAssignedIdentities":{%q:{},%q:{}}}`, a, b),
		"SU aaa":    fmt.Sprintf(`{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{%q:{}}}`, a),
		"SU aaabbb": fmt.Sprintf(`{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{%q:{},%q:{}}}`, a, b),
	}
	add := func(typ string, parts ...string) string {
		return fmt.Sprintf(`{"type":%q,"userAssignedIdentities":{%s}}`, typ, strings.Join(parts, ","))
	}
	with, without := func(id string) string { return fmt.Sprintf("%q:{}", id) }, func(id string) string { return fmt.Sprintf("%q:null", id) }
	for _, row := range []struct {
		body string
		put  string            // the same from every state; "=" leaves it
		from map[string]string // by PATCH; "" is for the states that are not listed
	}{
		{`{"type":"None"}`, none, map[string]string{"": none}},
		{`null`, "=", map[string]string{"": "="}},
		{`{"type":"systemassigned"}`, "S", map[string]string{"": "S"}},
		{`{"type":"UserAssigned"}`, unnamed, map[string]string{
			"-": unnamed, "S": unnamed, "U aaa": "U aaa", "U aaabbb": "U aaabbb", "SU aaa": "U aaa", "SU aaabbb": "U aaabbb"}},
		{`{"type":"SystemAssigned,UserAssigned"}`, unnamed, map[string]string{
			"-": unnamed, "S": unnamed, "U aaa": "SU aaa", "U aaabbb": "SU aaabbb", "SU aaa": "SU aaa", "SU aaabbb": "SU aaabbb"}},
		{add("UserAssigned", with(c)), "U ccc", map[string]string{
			"-": "U ccc", "S": "U ccc", "U aaa": "U aaaccc", "U aaabbb": "U aaabbbccc", "SU aaa": "U aaaccc", "SU aaabbb": "U aaabbbccc"}},
		{add("SystemAssigned, UserAssigned", with(c)), "SU ccc", map[string]string{
			"-": "SU ccc", "S": "SU ccc", "U aaa": "SU aaaccc", "U aaabbb": "SU aaabbbccc", "SU aaa": "SU aaaccc", "SU aaabbb": "SU aaabbbccc"}},
		{add("UserAssigned", with(c), without(strings.ToLower(a))), "U ccc", map[string]string{
			"-": "U ccc", "S": "U ccc", "U aaa": "U ccc", "U aaabbb": "U bbbccc", "SU aaa": "U ccc", "SU aaabbb": "U bbbccc"}},
		{add("UserAssigned", without(strings.ToLower(a))), failed, map[string]string{
			"-": failed, "S": failed, "U aaa": failed, "U aaabbb": "U bbb", "SU aaa": failed, "SU aaabbb": "U bbb"}},
		{add("UserAssigned", with(strings.ToUpper(a))), "U AAA", map[string]string{
			"-": "U AAA", "S": "U AAA", "": "*"}},
		{add("SystemAssigned", with(a)), failed, map[string]string{"": failed}},
		{add("None", with(a)), failed, map[string]string{"": failed}},
		{add("SystemAssigned", without(a)), "S", map[string]string{"": "S"}},
		{add("None", without(a)), none, map[string]string{"": none}},
		{`{}`, "InvalidRequestContent", map[string]string{"": "InvalidRequestContent"}},
		{`{"type":"Everything"}`, "InvalidRequestContent", map[string]string{"": "InvalidRequestContent"}},
		{`{"type":"UserAssigned","userAssignedIdentities":{"app":{}}}`, "LinkedInvalidPropertyId", map[string]string{"": "LinkedInvalidPropertyId"}},
		{fmt.Sprintf(`{"type":"UserAssigned","userAssignedIdentities":{%q:{}}}`, "/subscriptions/"+sub+"/resourceGroups/rg"),
			"InvalidIdentityId", map[string]string{"": "InvalidIdentityId"}},
		{add("UserAssigned", with(id("none"))), failed, map[string]string{"": failed}},
	} {
		for from, begin := range begins {
			for _, method := range []string{"PUT", "PATCH"} {
				name := fmt.Sprintf("%s %s from %s", method, strings.NewReplacer(a, "a", b, "b", c, "c").Replace(row.body), from)
				want := row.put
				if method == "PATCH" {
					var listed bool
					if want, listed = row.from[from]; !listed {
						want = row.from[""]
					}
				}
				if want == "=" { // Microsoft.Compute leaves what is null as it is
					want = from
				}
				if want == "*" || method == "PUT" && want == "U AAA" && strings.Contains(from, "aaa") {
					want = strings.TrimPrefix(from, "S") // the spelling of the first assignment stays
					if method == "PUT" {
						want = "U aaa"
					}
				}
				for _, value := range []string{`{"type":"None"}`, begin} {
					s.want(t, 0, "contributor", "PUT", vmPath+compute24, `{"location":"eastus","identity":`+value+`}`)
				}
				got := s.transit(t, method, row.body)
				if got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		}
	}
}

// transit changes the machine's identity, and gives its state then, or the code of the refusal,
// which must have changed nothing.
func (s *stack) transit(t *testing.T, method, value string) string {
	t.Helper()
	before := s.machine(t)
	body := `{"location":"eastus","identity":` + value + `}`
	if method == "PATCH" {
		body = `{"identity":` + value + `}`
	}
	w := s.do(t, "owner", method, vmPath+compute24, body)
	after := s.machine(t)
	if w.Code != 200 {
		var e struct{ Error struct{ Code string } }
		decode(t, w, &e)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("a refused request has changed (-before +after)\n%s", diff)
		}
		return e.Error.Code
	}
	if w.Header().Get("Azure-AsyncOperation") == "" || w.Header().Get("Azure-AsyncNotification") != "Enabled" {
		t.Errorf("nothing to follow: %v", w.Header())
	}
	var reply vmAnswer
	decode(t, w, &reply)
	if reply.Properties.ProvisioningState != "Updating" || reply.state(t) != after.state(t) || after.Properties.VMID != before.Properties.VMID {
		t.Errorf("the reply is %s, later it is %s", quoted(reply), quoted(after))
	}
	if after.Identity != nil {
		if was := before.Identity; was != nil && was.PrincipalID != "" && after.Identity.PrincipalID != "" && was.PrincipalID != after.Identity.PrincipalID {
			t.Error("the system-assigned identity has become another")
		}
		for id, is := range after.Identity.UserAssignedIdentities {
			if is.PrincipalID == "" || is.ClientID == "" {
				t.Errorf("%s has no ids", id)
			}
		}
	}
	return after.state(t)
}

func (s *stack) machine(t *testing.T) (a vmAnswer) {
	t.Helper()
	must(t, json.Unmarshal(s.want(t, 200, "reader", "GET", vmPath+compute24, "").Body.Bytes(), &a))
	return a
}
