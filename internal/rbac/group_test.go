package rbac_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

const (
	rootGroup = "/providers/Microsoft.Management/managementGroups/" + tenant
	inner     = "/providers/Microsoft.Management/managementGroups/a-inner" // below outer, and before it in the order of keys
	apart     = "/providers/Microsoft.Management/managementGroups/apart"
)

// newTree returns a bench in whose tenant sub lies below inner, inner below outer, and outer, apart and sub2 below
// the root group.
func newTree(t testing.TB) *bench {
	b := newBench(t)
	b.Above = func(_ store.Tx, _ string, scope arm.ID) (above []arm.ID, err error) {
		parents := map[string]string{sub: inner, inner: outer, outer: rootGroup, apart: rootGroup, sub2: rootGroup}
		for at := scope; !at.IsRoot(); at = at.Parent() {
			for child, parent := range parents {
				if arm.SameName(child, at.String()) {
					up := id(t, parent)
					rest, err := b.Above(nil, tenant, up)
					return append([]arm.ID{up}, rest...), err
				}
			}
		}
		return nil, nil
	}
	return b
}

func TestListsAtAndBelowManagementGroups(t *testing.T) {
	b := newTree(t)
	for _, a := range []struct{ principal, scope string }{
		{alice, "/"}, {alice, rootGroup}, {alice, outer}, {alice, inner}, {alice, apart}, {alice, sub}, {alice, rg1}, {alice, sub2},
		{bob, inner}, {bob, sub2}, {team, outer}, {team, app},
	} {
		b.assign(t, a.principal, reader, a.scope)
	}
	_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{
		Name: guid(900), TenantID: foreign, Scope: outer, DefinitionID: reader, PrincipalID: alice, PrincipalType: "User",
	})
	if err != nil {
		t.Fatal(err)
	}
	above := []string{"alice /", "alice " + rootGroup, "alice " + inner, "bob " + inner, "alice " + outer, "team " + outer}
	for _, tc := range []struct {
		name, scope string
		filter      rbac.Filter
		want        []string
	}{
		{"a subscription inherits from its groups", sub, rbac.Filter{AtScope: true}, []string{"alice /", "alice " + rootGroup, "alice " + inner, "bob " + inner, "alice " + outer, "team " + outer, "alice " + sub}},
		{"a resource does, too", fic, rbac.Filter{PrincipalID: team}, []string{"team " + outer, "team " + app}},
		{"a group lists itself and what is above", strings.ToUpper(inner), rbac.Filter{}, above},
		{"the same with atScope", inner, rbac.Filter{AtScope: true}, above},
		{"a principal at, above and below a group", outer, rbac.Filter{PrincipalID: alice}, []string{"alice /", "alice " + rootGroup, "alice " + inner, "alice " + outer, "alice " + sub, "alice " + rg1}},
		{"with its groups", outer, rbac.Filter{AssignedTo: bob, Groups: []string{team}}, []string{"bob " + inner, "team " + outer, "team " + app}},
		{"atScope of a principal", outer, rbac.Filter{AtScope: true, AssignedTo: alice}, []string{"alice /", "alice " + rootGroup, "alice " + outer}},
		{"another group sees nothing of it", apart, rbac.Filter{AssignedTo: bob, Groups: []string{team}}, nil},
		{"the root group sees all", rootGroup, rbac.Filter{PrincipalID: bob}, []string{"bob " + inner, "bob " + sub2}},
		{"so does the root", "/", rbac.Filter{PrincipalID: bob}, []string{"bob " + inner, "bob " + sub2}},
		{"another tenant sees its own", outer, rbac.Filter{TenantID: foreign}, []string{"alice " + outer}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, limit := range []int{0, 1, 2} {
				f := tc.filter
				f.Limit = limit
				if diff := cmp.Diff(sorted(tc.want), sorted(b.all(t, tc.scope, f))); diff != "" {
					t.Errorf("limit %d (-want +got):\n%s", limit, diff)
				}
			}
		})
	}
	b.checkRecords(t)
}

func TestManagementGroupsAndTheRootAreLimitedToFiveHundredAssignments(t *testing.T) {
	for _, scope := range []string{outer, "/"} {
		b := newTree(t)
		for range rbac.MaxGroupAssignments - 4 {
			b.assign(t, b.newID(), reader, scope)
		}
		var group sync.WaitGroup
		results := make([]string, 12)
		for i := range results {
			group.Go(func() {
				_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{
					Name: b.newID(), Scope: scope, DefinitionID: reader, PrincipalID: b.newID(), PrincipalType: "User",
				})
				results[i] = codeOf(err)
			})
		}
		group.Wait()
		count := map[string]int{}
		for _, r := range results {
			count[r]++
		}
		if diff := cmp.Diff(map[string]int{"<nil>": 4, "400 RoleAssignmentLimitExceeded": 8}, count); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", scope, diff)
		}
		b.assign(t, alice, reader, inner)
		b.checkRecords(t)
	}
}

// TestUncountedAssignmentsAreCounted removes the count record of a scope, which older versions of Midas did not
// write, and expects it back with the next change.
func TestUncountedAssignmentsAreCounted(t *testing.T) {
	b := newTree(t)
	var names []string
	for i := range 3 {
		names = append(names, b.assign(t, guid(100+i), reader, "/"))
	}
	forget := func() {
		_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
			tx.Delete("sc//\x00" + tenant)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	forget()
	b.assign(t, bob, reader, "/")
	b.checkRecords(t)
	forget()
	if _, _, err := b.DeleteAssignment(t.Context(), event(), arm.ID{}, names[0]); err != nil {
		t.Fatal(err)
	}
	b.checkRecords(t)
}

func TestDeletedManagementGroupTakesItsAssignmentsAndItsCount(t *testing.T) {
	b := newTree(t)
	for i := range 90 {
		b.assign(t, guid(200+i), reader, outer)
	}
	b.assign(t, bob, reader, inner)
	b.Scope = func(store.Tx, string, arm.ID) error { return arm.Errorf(409, "Deleting", "It is being deleted.") }
	if err := b.DeleteManagementGroup(t.Context(), tenant, id(t, outer)); err != nil {
		t.Fatal(err)
	}
	b.checkRecords(t)
	if got := sortedKeys(b.records(t)); len(got) != 4 {
		t.Errorf("these records are left: %q", got)
	}
}

// TestOlderVersionsKeepConditions checks that a request of a version without conditions does not remove them.
func TestOlderVersionsKeepConditions(t *testing.T) {
	b := newBench(t)
	a := rbac.Assignment{
		Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice,
		Description: ptr("d"), Condition: ptr(condition), ConditionVersion: ptr("2.0"), DelegatedManagedIdentityResourceID: ptr(app),
	}
	if _, err := b.PutAssignment(t.Context(), event(), a); err != nil {
		t.Fatal(err)
	}
	older := rbac.Assignment{Name: a.Name, Scope: rg1, DefinitionID: contributor, PrincipalID: alice}
	changed, err := b.WriteAssignment(t.Context(), event(), rbac.AssignmentWrite{Assignment: older, KeepsTexts: true})
	if err != nil {
		t.Fatal(err)
	}
	got := []*string{changed.Description, changed.Condition, changed.ConditionVersion, changed.DelegatedManagedIdentityResourceID}
	if diff := cmp.Diff([]*string{ptr("d"), ptr(condition), ptr("2.0"), ptr(app)}, got); diff != "" || changed.DefinitionID != contributor {
		t.Errorf("the role is %s, and the texts differ (-want +got):\n%s", changed.DefinitionID, diff)
	}
	if b.may(t, as(alice), "Microsoft.Compute/virtualMachines/write", rg1) {
		t.Error("the assignment has lost its condition")
	}
	if changed, err = b.PutAssignment(t.Context(), event(), older); err != nil || changed.Condition != nil || changed.DelegatedManagedIdentityResourceID == nil {
		t.Errorf("a newer version that leaves the condition out: %v, condition %v", err, changed.Condition)
	}
	b.checkRecords(t)
}

// TestValidationWritesNothing validates requests that would succeed and fail.
func TestValidationWritesNothing(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, reader, rg1)
	before := b.records(t)
	for _, tc := range []struct {
		principal, scope, want string
	}{
		{bob, rg1, "<nil>"}, {alice, rg1, "409 RoleAssignmentExists"}, {ghost, rg1, "400 PrincipalNotFound"}, {alice, sub, "<nil>"},
	} {
		_, err := b.WriteAssignment(t.Context(), event(), rbac.AssignmentWrite{ValidateOnly: true, Assignment: rbac.Assignment{
			Name: guid(800), Scope: tc.scope, DefinitionID: reader, PrincipalID: tc.principal,
		}})
		if got := codeOf(err); got != tc.want {
			t.Errorf("%s at %s: %s, want %s", tc.principal, tc.scope, got, tc.want)
		}
	}
	if diff := cmp.Diff(before, b.records(t)); diff != "" {
		t.Errorf("the records have changed (-before +after):\n%s", diff)
	}
}

// TestOneOfConcurrentDuplicatesIsCreated creates one assignment under many names at once, with its ids in different
// case.
func TestOneOfConcurrentDuplicatesIsCreated(t *testing.T) {
	b := newTree(t)
	for _, scope := range []string{rg1, outer, "/"} {
		var group sync.WaitGroup
		results := make([]string, 8)
		for i := range results {
			spell := strings.ToLower
			if i%2 == 1 {
				spell = strings.ToUpper
			}
			group.Go(func() {
				_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{
					Name: spell(b.newID()), Scope: spell(scope), DefinitionID: spell(reader), PrincipalID: spell(alice),
				})
				results[i] = codeOf(err)
			})
		}
		group.Wait()
		count := map[string]int{}
		for _, r := range results {
			count[r]++
		}
		if diff := cmp.Diff(map[string]int{"<nil>": 1, "409 RoleAssignmentExists": 7}, count); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", scope, diff)
		}
	}
	b.checkRecords(t)
}

// condition is a condition that no evaluation of these tests fulfils.
const condition = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'c'"

// sorted returns the entries in ascending order, one to a line. It keeps duplicates.
func sorted(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), "\n") }
