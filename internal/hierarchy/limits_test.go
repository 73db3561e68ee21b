package hierarchy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
)

// TestGroupsOfATenantAreBounded sets the count of a tenant near its limit.
func TestGroupsOfATenantAreBounded(t *testing.T) {
	b := newBench(t)
	b.put(t, "first", "")
	_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("mgt/"+tenant, fmt.Appendf(nil, `{"v":1,"groups":%d,"changes":1}`, hierarchy.MaxGroups-1))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, "last", "")
	if _, _, err := b.Put(t.Context(), event(), write("more", nil)); !isClient(err) {
		t.Errorf("one more: %v", err)
	}
	if _, err := b.Delete(t.Context(), event(), tenant, "last"); err != nil {
		t.Fatal(err)
	}
	b.put(t, "more", "")
}

// TestDeletedDefaultGroupIsReset deletes the group below which new subscriptions stand.
func TestDeletedDefaultGroupIsReset(t *testing.T) {
	b := newBench(t)
	b.put(t, "inbox", "")
	name := "INBOX"
	if _, err := b.ChangeSettings(t.Context(), event(), tenant, hierarchy.SettingsChange{DefaultGroup: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Delete(t.Context(), event(), tenant, "inbox"); err != nil {
		t.Fatal(err)
	}
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		target, err := b.Target(tx, tenant, "")
		if err == nil && target.Name() != tenant {
			t.Errorf("new subscriptions stand below %s", target)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDeletionOfAGroupContinues ends a deletion after the group is marked. Until Resume, the group takes no children.
func TestDeletionOfAGroupContinues(t *testing.T) {
	b := newBench(t)
	b.put(t, "a", "")
	stopped := errors.New("stopped")
	b.DeleteScope = func(context.Context, string, arm.ID) error { return stopped }
	if _, err := b.Delete(t.Context(), event(), tenant, "a"); !errors.Is(err, stopped) {
		t.Fatalf("deletion: %v", err)
	}
	parent := "a"
	if _, _, err := b.Put(t.Context(), event(), write("b", &parent)); !isClient(err) {
		t.Errorf("a child of a group that is being deleted: %v", err)
	}
	var asked []string
	b.DeleteScope = func(_ context.Context, tenant string, group arm.ID) error {
		asked = append(asked, tenant+" "+group.Name())
		return nil
	}
	for range 2 {
		if err := b.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(asked) != 1 || asked[0] != tenant+" a" {
		t.Errorf("asked %q", asked)
	}
	if _, err := b.Find(t.Context(), tenant, "a"); !arm.IsNotFound(err) {
		t.Errorf("the deleted group: %v", err)
	}
}
