package resource_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"midas/internal/activity"
	"midas/internal/resource"
	"midas/internal/store/storetest"
)

func TestDeleteIncludesNestedResourcesAndContinuesAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		s := newService(t, st)
		scopes := &recorder{err: errors.New("the store is gone")}
		s.Scopes = scopes
		putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
		widget := putWidget(t, s, sub+"/resourceGroups/a", "w")
		stays := putWidget(t, s, sub+"/resourceGroups/a", "w2")
		for i := range 300 { // more than one transaction deletes
			put(t, s, fmt.Sprintf("%s/parts/p%d", widget, i))
		}
		put(t, s, widget+"/providers/Contoso.Guard/locks/l")
		if _, err := s.Delete(t.Context(), activity.Event{}, id(t, widget)); err == nil {
			t.Fatal("Delete returns no error")
		}
		wantCode(t, tryPut(s, id(t, widget+"/parts/late")), "ResourceBeingDeleted")
		scopes.err = nil
		run(t, newServiceOver(t, st, scopes))
		synctest.Wait()
		for _, key := range keys(t, st) {
			if strings.Contains(key, "/w/") || strings.HasSuffix(key, "/w") || strings.HasPrefix(key, "o/") {
				t.Errorf("%s was not deleted", key)
			}
		}
		if _, err := s.Find(t.Context(), id(t, stays)); err != nil {
			t.Errorf("the other resource was deleted: %v", err)
		}
		if existed, err := s.Delete(t.Context(), activity.Event{}, id(t, widget)); existed || err != nil {
			t.Errorf("the second deletion: %v, %v", existed, err)
		}
		if existed, err := s.Delete(t.Context(), activity.Event{}, id(t, stays)); !existed || err != nil {
			t.Errorf("the deletion of the other resource: %v, %v", existed, err)
		}
	})
}

func TestWriteDuringADeletionRunsAfterIt(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
	widget := id(t, putWidget(t, s, sub+"/resourceGroups/a", "w"))
	s.Scopes = &recorder{err: errors.New("not now")}
	if _, err := s.Delete(t.Context(), activity.Event{}, widget); err == nil {
		t.Fatal("Delete returns no error")
	}
	s.Scopes = &recorder{}
	var seen []error
	err := s.Settled(t.Context(), widget, func() error {
		rec, err := s.Find(t.Context(), widget)
		if err == nil && rec.State == resource.Deleting {
			err = resource.ErrBeingDeleted(widget)
		}
		seen = append(seen, err)
		return err
	})
	if wantCode(t, err, "ResourceNotFound"); len(seen) != 2 {
		t.Errorf("the write ran with %v, want two runs", seen)
	}
}
