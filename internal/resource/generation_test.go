package resource_test

import (
	"context"
	"strings"
	"testing"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// once calls a function in the first DeleteScope. A deletion calls DeleteScope after it has emptied its target
// and before it removes the target.
type once func()

func (o *once) DeleteScope(context.Context, arm.ID) error {
	if first := *o; first != nil {
		*o = nil
		first()
	}
	return nil
}

// Before the last step of a deletion, another one deletes the resource. Then the resource is created again and,
// in one case, marked for deletion again.
func TestDeletionDoesNotRemoveARecreatedResource(t *testing.T) {
	for name, marked := range map[string]bool{"created again": false, "created and marked again": true} {
		t.Run(name, func(t *testing.T) {
			st := storetest.Memory(t)
			slow, other := newService(t, st), newService(t, st)
			putGroup(t, slow, sub+"/resourceGroups/a", "eastus", nil)
			widget := putWidget(t, slow, sub+"/resourceGroups/a", "w")
			between := once(func() {
				if _, err := other.Delete(t.Context(), activity.Event{}, id(t, widget)); err != nil {
					t.Error(err)
				}
				put(t, other, widget)
				put(t, other, widget+"/parts/p")
				if marked {
					mark(t, other, widget)
				}
			})
			slow.Scopes = &between
			if _, err := slow.Delete(t.Context(), activity.Event{}, id(t, widget)); err != nil {
				t.Fatal(err)
			}
			parent, child := false, false
			for _, key := range keys(t, st) {
				parent = parent || strings.HasSuffix(key, "/w")
				child = child || strings.HasSuffix(key, "/w/parts/p")
			}
			if parent != child || parent == marked {
				t.Errorf("the resource exists: %v; its child exists: %v; want both %v", parent, child, !marked)
			}
		})
	}
}

// mark marks a record as Deleting, which is the first step of a deletion.
func mark(t *testing.T, s *resource.Service, path string) {
	t.Helper()
	_, err := s.Store.Update(t.Context(), func(tx store.Tx) error {
		rec, err := s.Get(tx, id(t, path))
		if err != nil {
			return err
		}
		rec.State = resource.Deleting
		return s.Put(tx, id(t, path), rec)
	})
	if err != nil {
		t.Fatal(err)
	}
}
