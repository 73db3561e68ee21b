package rbac_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"midas/internal/arm"
	"midas/internal/rbac"
	abac "midas/internal/rbac/condition"
	"midas/internal/store"
)

// putRole creates a custom role that is assignable at sub, as a caller with all rights.
func (b *bench) putRole(t testing.TB, guid, name, pattern string) error {
	t.Helper()
	_, err := b.PutDefinition(t.Context(), b.change(t), rbac.Definition{
		ID: guid, RoleName: name, AssignableScopes: []string{sub}, Permissions: []rbac.Permission{{Actions: []string{pattern}}},
	})
	return err
}

func (b *bench) change(t testing.TB) rbac.DefinitionChange {
	ev := event()
	ev.Operation = "Microsoft.Authorization/roleDefinitions/write"
	yes := func(string) bool { return true }
	return rbac.DefinitionChange{
		Event: ev, Caller: as(alice), At: id(t, sub), KnownProvider: yes, KnownAction: func(string) bool { return false },
		Exists: func(store.Tx, arm.ID) (bool, error) { return true, nil },
	}
}

// consistent fails the test if the records of roles and assignments contradict each other.
func (b *bench) consistent(t testing.TB) {
	t.Helper()
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		for err := range rbac.Inconsistencies(tx) {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func code(err error) string {
	var refused *arm.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return fmt.Sprint(err)
}

// Of many requests that create a role with the same name in different case, one succeeds.
func TestOneOfManyCreatesARoleOfAName(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, "/")
	var wait sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range 12 {
		wait.Go(func() {
			name := []string{"My Role", "MY ROLE", "my role"}[i%3]
			answer := code(b.putRole(t, uuid.NewString(), name, "*/read"))
			mu.Lock()
			defer mu.Unlock()
			got[answer]++
		})
	}
	wait.Wait()
	if got["<nil>"] != 1 || got["RoleDefinitionWithSameNameExists"] != 11 {
		t.Error(got)
	}
	b.consistent(t)
}

// A role is either assigned or deleted, never both.
func TestARoleIsNotDeletedWhileItIsAssigned(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, "/")
	for range 20 {
		role, name := uuid.NewString(), uuid.NewString()
		if err := b.putRole(t, role, "r"+role, "*/read"); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		var assigned, deleted error
		wait.Go(func() {
			_, assigned = b.PutAssignment(t.Context(), event(), rbac.Assignment{Name: name, Scope: rg1, DefinitionID: role, PrincipalID: bob, PrincipalType: "ServicePrincipal"})
		})
		wait.Go(func() {
			ending := b.change(t)
			ending.Event.Operation = "Microsoft.Authorization/roleDefinitions/delete"
			_, _, deleted = b.DeleteDefinition(t.Context(), ending, role)
		})
		wait.Wait()
		switch {
		case assigned == nil && code(deleted) == "RoleDefinitionHasAssignments":
		case deleted == nil && code(assigned) == "RoleDefinitionDoesNotExist":
		default:
			t.Errorf("assigned: %v, deleted: %v", assigned, deleted)
		}
	}
	b.consistent(t)
}

// A tenant has at most 5,000 custom roles, and a list of them has pages.
func TestATenantHasAtMostFiveThousandCustomRoles(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, "/")
	b.fillRoles(t, 4999)
	last := uuid.NewString()
	for i, want := range []string{"<nil>", "RoleDefinitionLimitExceeded"} {
		if got := code(b.putRole(t, []string{last, uuid.NewString()}[i], fmt.Sprint("last ", i), "*/read")); got != want {
			t.Errorf("role %d: %s, want %s", 5000+i, got, want)
		}
	}
	if err := b.putRole(t, last, "changed", "*"); err != nil {
		t.Errorf("a change at the limit: %v", err)
	}
	seen, pages := map[string]bool{}, 0
	for q := (rbac.DefinitionQuery{Caller: as(alice), Scope: id(t, sub), Filter: rbac.DefinitionFilter{Type: "CustomRole"}, Limit: 1000}); ; pages++ {
		page, err := b.ListDefinitions(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Definitions {
			if seen[d.ID] {
				t.Fatalf("%s twice", d.ID)
			}
			seen[d.ID] = true
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(seen) != 5000 || pages < 4 {
		t.Errorf("%d roles in %d pages", len(seen), pages+1)
	}
	b.consistent(t)
}

// fillRoles writes the records of n custom roles.
func (b *bench) fillRoles(t testing.TB, n int) {
	t.Helper()
	const some = 40 // a transaction has at most 128 keys
	for first := 0; first < n; first += some {
		b.fillSome(t, first, min(first+some, n))
	}
}

func (b *bench) fillSome(t testing.TB, first, end int) {
	t.Helper()
	_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		for i := first; i < end; i++ {
			guid := fmt.Sprintf("c0000000-0000-4000-8000-%012d", i)
			d := rbac.Definition{ID: guid, TenantID: tenant, RoleName: fmt.Sprint("filled ", i), Type: rbac.CustomRole, AssignableScopes: []string{sub}, CreatedOn: start, UpdatedOn: start}
			if err := rbac.WriteCustomRole(tx, d); err != nil {
				return err
			}
		}
		return rbac.WriteCustomCount(tx, tenant, end)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A custom role whose name a later built-in role has can still be changed, under this name or another.
func TestARoleKeepsItsNameAfterAnImport(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, "/")
	role := uuid.NewString()
	if err := b.putRole(t, role, "New Role", "*/read"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ImportDefinitions(t.Context(), strings.NewReader("["+flat(newRole, "new role", "BuiltInRole", "*", "2026-01-01T00:00:00Z")+"]")); err != nil {
		t.Fatal(err)
	}
	if err := b.putRole(t, role, "NEW Role", "*"); err != nil {
		t.Error(err)
	}
	if got := code(b.putRole(t, uuid.NewString(), "New role", "*")); got != "RoleDefinitionWithSameNameExists" {
		t.Error(got)
	}
	b.consistent(t)
}

// An imported role may have a condition in a permission. It counts where the condition is true.
func TestConditionsOfPermissionsAreEvaluated(t *testing.T) {
	const remove = "Microsoft.Authorization/roleAssignments/delete"
	test := func(text string, attribute string, want bool) {
		t.Helper()
		b := newBench(t)
		role := strings.Replace(flat(newRole, "New Role", "BuiltInRole", remove, "2026-01-01T00:00:00Z"),
			`"condition":null,"conditionVersion":null`, fmt.Sprintf(`"condition":%q,"conditionVersion":"2.0"`, text), 1)
		if _, err := b.ImportDefinitions(t.Context(), strings.NewReader("["+role+"]")); err != nil {
			t.Fatal(err)
		}
		b.assign(t, alice, newRole, sub)
		access := rbac.Access{Caller: as(alice), Action: arm.Fold(remove), Scope: id(t, rg1)}
		access.Attributes.Set(abac.Resource, "Microsoft.Authorization/roleAssignments:RoleDefinitionId", abac.GUID(attribute))
		err := b.Store.View(t.Context(), func(tx store.Tx) error {
			decision, err := b.Decide(tx, access)
			if got := decision.Effect == rbac.Allowed; got != want {
				t.Errorf("%s with %s: %v, want %v", text, attribute, got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if b.may(t, as(alice), remove, rg1) {
			t.Errorf("%s: allowed without attributes", text)
		}
	}
	only := "@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + reader + "}"
	test(only, reader, true)
	test(only, owner, false)
	test("(((broken", reader, false)
	test(" ", reader, false)
}

// Each record of a custom role and its assignment is missed.
func TestLostRecordsOfRolesAreFound(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, "/")
	role := uuid.NewString()
	if err := b.putRole(t, role, "r", "*/read"); err != nil {
		t.Fatal(err)
	}
	b.assign(t, bob, role, rg1)
	b.consistent(t)
	for _, prefix := range []string{"rd/", "rn/", "ru/", "ra/"} {
		_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
				if err != nil {
					return err
				}
				tx.Delete(rec.Key)
			}
			found := 0
			for range rbac.Inconsistencies(tx) {
				found++
			}
			if found == 0 {
				t.Errorf("without %s nothing is found", prefix)
			}
			return errRollBack
		})
		if !errors.Is(err, errRollBack) {
			t.Error(err)
		}
	}
	b.consistent(t)
}

var errRollBack = errors.New("roll back")
