package rbac_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// denyFor is a deny assignment of an action for a principal.
func denyFor(n int, principal, action string) rbac.DenyAssignment {
	return rbac.DenyAssignment{
		Name: guid(n), DisplayName: fmt.Sprint("deny ", n), Effect: rbac.Enforced,
		Permissions: []rbac.DenyPermission{{Actions: []string{action}}},
		Principals:  []rbac.DenyPrincipal{{ID: principal, Type: "ServicePrincipal"}},
	}
}

// Concurrent writers exceed no limit, the count is exact, and a deny assignment that is not counted is reported.
func TestConcurrentDenyAssignmentsAreCounted(t *testing.T) {
	b := newBench(t)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			n := i%8 + 1 // three writers for each name
			if _, _, err := b.PutDenyAssignment(t.Context(), event(), id(t, rg1), denyFor(n, alice, "A.B/c/write")); err != nil {
				t.Error(err)
			}
			if n <= 4 {
				if _, _, err := b.DeleteDenyAssignment(t.Context(), event(), id(t, rg1), guid(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	inconsistencies := func() (n int) {
		_ = b.Store.View(t.Context(), func(tx store.Tx) error {
			for err := range rbac.Inconsistencies(tx) {
				t.Log(err)
				n++
			}
			return nil
		})
		return n
	}
	if n := inconsistencies(); n != 0 {
		t.Errorf("%d inconsistencies", n)
	}
	for _, c := range []struct {
		broken string
		change func(store.Tx)
	}{
		{"a wrong count", func(tx store.Tx) {
			tx.Put(store.DenyAssignmentCount.Keys+tenant, []byte(`{"v":1,"denyAssignments":77}`))
		}},
		{"no count", func(tx store.Tx) { tx.Delete(store.DenyAssignmentCount.Keys + tenant) }},
	} {
		if _, err := b.Store.Update(t.Context(), func(tx store.Tx) error { c.change(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		if n := inconsistencies(); n != 1 {
			t.Errorf("%s: %d inconsistencies", c.broken, n)
		}
	}
}

// BenchmarkDecideWithDenies measures a decision in a tenant with the maximum number of deny assignments: all at one
// scope, or each at a scope of its own.
func BenchmarkDecideWithDenies(b *testing.B) {
	for _, where := range []string{"one scope", "own scopes"} {
		b.Run(where, func(b *testing.B) {
			w := newBench(b)
			w.assign(b, alice, owner, sub)
			for n := range rbac.MaxDenyAssignments {
				scope := rg1
				if where == "own scopes" {
					scope = fmt.Sprint(sub, "/resourceGroups/g", n)
				}
				if _, _, err := w.PutDenyAssignment(b.Context(), event(), id(b, scope), denyFor(n+1, bob, "*/write")); err != nil {
					b.Fatal(err)
				}
			}
			a := rbac.Access{Caller: rbac.Caller{TenantID: tenant, ObjectID: alice}, Action: arm.Fold(uai + "read"), Scope: id(b, app)}
			_ = w.Store.View(b.Context(), func(tx store.Tx) error {
				if _, err := w.Decide(tx, a); err != nil { // reads the deny assignments
					b.Fatal(err)
				}
				for b.Loop() {
					if d, err := w.Decide(tx, a); err != nil || d.Effect != rbac.Allowed {
						b.Fatal(d, err)
					}
				}
				return nil
			})
		})
	}
}

// Among many deny assignments at a scope, those for the caller, for a group of the caller and for everyone are found.
func TestDenyAmongMany(t *testing.T) {
	everyone := denyFor(100, rbac.EveryonePrincipal, uai+"read")
	everyone.Principals[0].Type = rbac.SystemDefined
	everyone.ExcludePrincipals = []rbac.DenyPrincipal{{ID: bob, Type: "ServicePrincipal"}}
	ofGroup := denyFor(101, team, uai+"read")
	ofGroup.Principals[0].Type = "Group"
	for name, c := range map[string]struct {
		deny *rbac.DenyAssignment
		want rbac.Effect
	}{
		"others":   {nil, rbac.Allowed},
		"everyone": {&everyone, rbac.Denied},
		"group":    {&ofGroup, rbac.Denied},
	} {
		b := newBench(t)
		b.assign(t, alice, owner, sub)
		for n := range 8 {
			if _, _, err := b.PutDenyAssignment(t.Context(), event(), id(t, rg1), denyFor(n+1, bob, "*")); err != nil {
				t.Fatal(err)
			}
		}
		if c.deny != nil {
			if _, _, err := b.PutDenyAssignment(t.Context(), event(), id(t, rg1), *c.deny); err != nil {
				t.Fatal(err)
			}
		}
		caller := rbac.Caller{TenantID: tenant, ObjectID: alice, Groups: []string{ghost, strings.ToUpper(team)}}
		_ = b.Store.View(t.Context(), func(tx store.Tx) error {
			d, err := b.Decide(tx, rbac.Access{Caller: caller, Action: arm.Fold(uai + "read"), Scope: id(t, app)})
			if err != nil || d.Effect != c.want {
				t.Errorf("%s: %v %v, want %v", name, d.Effect, err, c.want)
			}
			return nil
		})
	}
}
