package rbac_test

import (
	"errors"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// TestAssignmentRequiresAnExistingScope creates an assignment at a scope that does not exist, and at a scope
// that is deleted during the transaction. Config.Scope reads the scope's record, so the transaction is retried.
func TestAssignmentRequiresAnExistingScope(t *testing.T) {
	b := newBench(t)
	const record = "r/rg1"
	gone := arm.Errorf(404, "ResourceGroupNotFound", "It is gone.")
	ended := false
	b.Scope = func(tx store.Tx, _ string, scope arm.ID) error {
		if scope.Key() != id(t, rg1).Key() {
			t.Errorf("asked for %s", scope)
		}
		if _, err := tx.Get(record); err != nil {
			return gone
		}
		if !ended { // deletes the scope before this transaction commits
			ended = true
			if _, err := b.Store.Update(t.Context(), func(tx store.Tx) error { tx.Delete(record); return nil }); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	wanted := rbac.Assignment{Name: guid(1000), Scope: rg1, DefinitionID: reader, PrincipalID: alice}
	for _, there := range []bool{false, true} {
		_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
			if there {
				tx.Put(record, []byte("{}"))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.PutAssignment(t.Context(), event(), wanted); !errors.Is(err, gone) {
			t.Errorf("the scope exists at first: %t; got %v, want %v", there, err, gone)
		}
		if _, err := b.Assignment(t.Context(), tenant, id(t, rg1), wanted.Name); codeOf(err) != "404 RoleAssignmentNotFound" {
			t.Errorf("the scope exists at first: %t; the assignment: %v", there, err)
		}
	}
	if !ended {
		t.Error("the scope was not deleted during the transaction")
	}
}

// TestDeleteScopeKeepsAssignmentsOfARecreatedScope calls DeleteScope a second time, after the scope was
// created again.
func TestDeleteScopeKeepsAssignmentsOfARecreatedScope(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, reader, rg1)
	b.end(t, rg1)
	if b.may(t, as(alice), uai+"read", app) {
		t.Error("the assignment at the deleted scope still gives its role")
	}
	b.assign(t, alice, reader, rg1)
	if err := b.DeleteScope(t.Context(), id(t, rg1)); err != nil {
		t.Fatal(err)
	}
	if !b.may(t, as(alice), uai+"read", app) {
		t.Error("the assignment at the new scope was removed with the old one")
	}
	unreadable := errors.New("the disk is gone")
	b.Scope = func(store.Tx, string, arm.ID) error { return unreadable }
	if err := b.DeleteScope(t.Context(), id(t, rg1)); !errors.Is(err, unreadable) {
		t.Errorf("got %v", err)
	}
}
