package rbac_test

import (
	"errors"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// TestNoAssignmentIsMadeWithoutItsScope has the scope refused by whoever keeps it, and then ended in
// the middle of the transaction that makes the assignment: its record is guarded.
func TestNoAssignmentIsMadeWithoutItsScope(t *testing.T) {
	b := newBench(t)
	const record = "r/rg1"
	gone := arm.Errorf(404, "ResourceGroupNotFound", "It is gone.")
	ended := false
	b.Scope = func(tx store.Tx, scope arm.ID) error {
		if scope.Key() != id(t, rg1).Key() {
			t.Errorf("asked for %s", scope)
		}
		if _, err := tx.Get(record); err != nil {
			return gone
		}
		if !ended { // by another, before this transaction commits
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
			t.Errorf("the scope is there at first: %t; got %v", there, err)
		}
		if _, err := b.Assignment(t.Context(), tenant, id(t, rg1), wanted.Name); codeOf(err) != "404 RoleAssignmentNotFound" {
			t.Errorf("the scope is there at first: %t; the assignment: %v", there, err)
		}
	}
	if !ended {
		t.Error("the scope was never ended in between")
	}
}

// TestAScopeThatWasMadeAnewKeepsItsAssignments has one of two who end a scope come too late.
func TestAScopeThatWasMadeAnewKeepsItsAssignments(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, reader, rg1)
	b.end(t, rg1)
	if b.may(t, as(alice), uai+"read", app) {
		t.Error("what is going away still gives its role")
	}
	b.assign(t, alice, reader, rg1)
	if err := b.DeleteScope(t.Context(), id(t, rg1)); err != nil {
		t.Fatal(err)
	}
	if !b.may(t, as(alice), uai+"read", app) {
		t.Error("the role of the new scope went with the old one")
	}
	unreadable := errors.New("the disk is gone")
	b.Scope = func(store.Tx, arm.ID) error { return unreadable }
	if err := b.DeleteScope(t.Context(), id(t, rg1)); !errors.Is(err, unreadable) {
		t.Errorf("got %v", err)
	}
}
