package rbac_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
	people "midas/internal/directory"
	"midas/internal/hierarchy"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
)

// The scopes, principals and roles of the property test. Scopes outside of subscriptions are management groups.
var (
	mg1, mg2, mg3 = mgID("m1"), mgID("m2"), mgID("m3")

	worldScopes = []string{
		"/", rootGroup, mg1, mg2, mg3, sub, sub2, rg1, rg10, sub2 + "/resourceGroups/rg1", app, app2, fic,
		app + "/providers/Microsoft.Insights/diagnosticSettings/d", sub2 + "/resourceGroups/rg1/providers/A.B/c/d",
		mg2 + "/providers/A.B/c/d",
	}
	worldUsers  = []string{alice, bob}
	worldGroups = []string{team, guid(0xa1), guid(0xa2), guid(0xa3), guid(0xa4)}
	worldRoles  = []string{owner, contributor, reader, accessAdmin, miContributor, miOperator, secretsUser, customMG, customSub, guid(0xdead)}
	customMG    = guid(0xc1) // a custom role whose assignable scope is the root group
	customSub   = guid(0xc2) // a custom role whose assignable scopes are the subscriptions
	worldAdmin  = guid(0xad) // an Owner at the root, who changes the custom roles
)

func mgID(name string) string { return "/providers/Microsoft.Management/managementGroups/" + name }

// world is a random hierarchy with groups, roles and assignments, twice: in the service, the directory and the
// hierarchy, and in plain maps that naive reads.
type world struct {
	*bench
	directory   *people.Directory
	hierarchy   *hierarchy.Service
	assignments map[string]rbac.Assignment     // by name
	denies      map[string]rbac.DenyAssignment // by name
	custom      map[string]rbac.Definition     // custom roles, by id
	above       map[string]string              // the management group directly above a subscription or a group, by key
	memberOf    map[string][]string            // the groups of which a user or a group is a direct member
	gone        map[string]bool                // the groups that are deleted
}

func newWorld(t *testing.T) *world {
	w := &world{
		bench: newBench(t), assignments: map[string]rbac.Assignment{}, denies: map[string]rbac.DenyAssignment{},
		custom: map[string]rbac.Definition{}, above: map[string]string{}, memberOf: map[string][]string{}, gone: map[string]bool{},
	}
	resources := resource.New(resource.Config{Store: w.Store, Now: w.clock})
	w.directory = &people.Directory{Store: w.Store, Now: w.clock, NewID: w.newID}
	w.hierarchy = hierarchy.New(hierarchy.Config{Store: w.Store, Log: w.Log, Now: w.clock, Resources: resources})
	w.Above, w.Principals = w.hierarchy.Above, w.directory
	w.update(t, func(tx store.Tx) error {
		for _, id := range []string{sub, sub2} {
			if err := resources.EnsureSubscription(tx, tenant, strings.TrimPrefix(id, "/subscriptions/"), "s"); err != nil {
				return err
			}
		}
		for _, id := range append(worldUsers, worldAdmin) {
			p := people.ServicePrincipal{ID: id, AppID: id, TenantID: tenant, DisplayName: id, Type: people.TypeApplication, Enabled: true}
			if err := w.directory.CreateServicePrincipal(tx, p); err != nil {
				return err
			}
		}
		for _, id := range worldGroups {
			if err := w.directory.CreateGroup(tx, people.Group{ID: id, TenantID: tenant, DisplayName: id}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, name := range []string{"m1", "m2", "m3"} {
		if _, _, err := w.hierarchy.Put(t.Context(), event(), hierarchy.Write{TenantID: tenant, Name: name, Allow: allowAll}); err != nil {
			t.Fatal(err)
		}
	}
	for _, child := range []string{sub, sub2, mg1, mg2, mg3} {
		w.above[arm.Fold(child)] = arm.Fold(rootGroup)
	}
	w.put(t, rbac.Assignment{Name: w.newID(), Scope: "/", DefinitionID: owner, PrincipalID: worldAdmin})
	return w
}

func allowAll(store.Tx, string, arm.ID) error { return nil }

func (w *world) update(t *testing.T, write func(store.Tx) error) {
	t.Helper()
	if _, err := w.Store.Update(t.Context(), write); err != nil {
		t.Fatal(err)
	}
}

// TestDecisionsEqualThoseOfANaiveEvaluator makes random changes and compares decisions in between with those of an
// evaluator that is written from the rules of Azure's documents, and that caches nothing.
func TestDecisionsEqualThoseOfANaiveEvaluator(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		if rapid.IntRange(0, 3).Draw(rt, "large") == 0 {
			w.makeLarge(t, rapid.SampledFrom(append(worldUsers[:1:1], worldGroups...)).Draw(rt, "large principal"))
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.change(rt, t)
			for range 4 {
				w.compare(rt, t)
			}
		}
		w.checkRecords(t)
	})
}

// makeLarge gives a principal more assignments than one branch has, most of them in one group.
func (w *world) makeLarge(t *testing.T, principal string) {
	for i := range 150 {
		scope := fmt.Sprintf("%s/providers/A.B/c/r%d", []string{rg1, rg1, rg10, sub2}[i%4], i)
		w.put(t, rbac.Assignment{Name: w.newID(), Scope: scope, DefinitionID: reader, PrincipalID: principal})
	}
	for i := range 70 {
		w.put(t, rbac.Assignment{Name: w.newID(), Scope: mgID(fmt.Sprintf("other%d", i)), DefinitionID: reader, PrincipalID: principal})
	}
}

func (w *world) put(t *testing.T, a rbac.Assignment) bool {
	a.PrincipalType = w.typeOf(a.PrincipalID)
	if slices.Contains(worldGroups, a.PrincipalID) {
		a.PrincipalType = "Group"
	}
	saved, err := w.PutAssignment(t.Context(), event(), a)
	if _, refused := errors.AsType[*arm.Error](err); refused {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	w.assignments[a.Name] = saved
	return true
}

// spelled returns a scope in one of several spellings.
func spelled(rt *rapid.T, scope string) string {
	return rapid.SampledFrom([]string{scope, scope, strings.ToUpper(scope), arm.Fold(scope)}).Draw(rt, "spelling")
}
