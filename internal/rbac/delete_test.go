package rbac_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"midas/internal/rbac"
)

func TestDeleteReturnsTheAssignment(t *testing.T) {
	b := newBench(t)
	name := b.assign(t, alice, reader, rg1)
	want, err := b.Assignment(t.Context(), tenant, id(t, rg1), name)
	if err != nil {
		t.Fatal(err)
	}
	got, found, err := b.DeleteAssignment(t.Context(), event(), id(t, strings.ToUpper(rg1)), name)
	if err != nil || !found {
		t.Fatalf("DeleteAssignment: found %t, %v", found, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, found, err := b.DeleteAssignment(t.Context(), event(), id(t, rg1), name); found || err != nil {
		t.Errorf("deleting again: found %t, %v", found, err)
	}
	for _, missing := range []string{name, guid(99), "not-a-guid"} {
		if _, err := b.Assignment(t.Context(), tenant, id(t, rg1), missing); codeOf(err) != "404 RoleAssignmentNotFound" {
			t.Errorf("Assignment(%s): %v, want RoleAssignmentNotFound", missing, err)
		}
	}
}

func TestTenantsDoNotShareTheRoot(t *testing.T) {
	b := newBench(t)
	for _, tid := range []string{tenant, foreign} {
		a := rbac.Assignment{Name: guid(1), Scope: "/", TenantID: tid, DefinitionID: reader, PrincipalID: ghost, PrincipalType: "User"}
		if _, err := b.PutAssignment(t.Context(), event(), a); err != nil {
			t.Fatalf("in tenant %s: %v", tid, err)
		}
	}
	if _, _, err := b.DeleteAssignment(t.Context(), event(), id(t, "/"), guid(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Assignment(t.Context(), tenant, id(t, "/"), guid(1)); codeOf(err) != "404 RoleAssignmentNotFound" {
		t.Errorf("in the tenant that deleted it: %v", err)
	}
	if _, err := b.Assignment(t.Context(), foreign, id(t, "/"), guid(1)); err != nil {
		t.Errorf("in the other tenant: %v", err)
	}
	b.checkRecords(t)
}

func TestDeleteScopeRemovesAssignmentsAtTheScopeAndBelow(t *testing.T) {
	b := newBench(t)
	for i := range 100 {
		b.assign(t, guid(i), reader, rg1)
		b.assign(t, guid(i), reader, fic)
	}
	b.assign(t, alice, owner, sub)
	b.assign(t, alice, reader, rg10)
	b.assign(t, alice, reader, "/")
	b.end(t, strings.ToUpper(rg1))
	b.checkRecords(t)
	var left []string
	for _, key := range sortedKeys(b.records(t)) {
		if strings.HasPrefix(key, "s/") {
			left = append(left, key[2:strings.Index(key, "\x00")])
		}
	}
	if diff := cmp.Diff([]string{"/", sub, strings.ToLower(rg10)}, left); diff != "" {
		t.Errorf("scopes with assignments (-want +got):\n%s", diff)
	}
	if b.may(t, as(guid(3)), uai+"read", app) {
		t.Error("a removed assignment still grants its role")
	}
	if err := b.DeleteScope(t.Context(), id(t, "/")); err == nil {
		t.Error("the root was deleted")
	}
}

// TestRecordsStayConsistent runs random operations and checks all records after each.
func TestRecordsStayConsistent(t *testing.T) {
	scopes := []string{"/", sub, sub2, rg1, app}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		name := func() string { return guid(rapid.IntRange(1, 4).Draw(rt, "name")) }
		scope := func() string { return rapid.SampledFrom(scopes).Draw(rt, "scope") }
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				a := rbac.Assignment{
					Name: name(), Scope: scope(),
					DefinitionID: rapid.SampledFrom([]string{owner, reader}).Draw(rt, "role"),
					PrincipalID:  rapid.SampledFrom([]string{alice, bob}).Draw(rt, "principal"),
				}
				if rapid.Bool().Draw(rt, "conditional") {
					a.Condition = ptr(anyCondition)
				}
				if _, err := b.PutAssignment(t.Context(), event(), a); err != nil && !strings.Contains(codeOf(err), "Assignment") {
					rt.Fatal(err)
				}
			},
			"delete": func(rt *rapid.T) {
				_, _, err := b.DeleteAssignment(t.Context(), event(), id(t, scope()), name())
				if err != nil && !strings.Contains(codeOf(err), "CannotDeleteLast") {
					rt.Fatal(err)
				}
			},
			"delete scope": func(rt *rapid.T) {
				b.end(t, rapid.SampledFrom([]string{sub2, rg1, app}).Draw(rt, "scope"))
			},
			"": func(*rapid.T) { b.checkRecords(t) },
		})
	})
}
