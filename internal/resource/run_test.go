package resource_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/activity"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// TestRunDeletesTheGroupsOfOtherReplicas: the replica that accepts a deletion is not the one that carries it out.
func TestRunDeletesTheGroupsOfOtherReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		accepts := newService(t, st)
		run(t, newService(t, st))
		synctest.Wait()
		began := time.Now()
		putGroup(t, accepts, sub+"/resourceGroups/a", "eastus", nil)
		putWidget(t, accepts, sub+"/resourceGroups/a", "w")
		op, err := accepts.DeleteGroup(t.Context(), activity.Event{}, id(t, sub+"/resourceGroups/a"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		op, err = operation(t.Context(), accepts, op.Subscription, op.Name)
		if err != nil || op.Ended.IsZero() {
			t.Errorf("after %s: %+v, %v", time.Since(began), op, err)
		}
	})
}

// TestRunTakesOverTheWorkOfAReplicaThatHasDied: a request has stored an operation, and its replica has died before it
// has carried the operation out.
func TestRunTakesOverTheWorkOfAReplicaThatHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		dies, lives := newService(t, st), newService(t, st)
		var done atomic.Int32
		lives.Workers = map[string]resource.Worker{"test": func(context.Context, resource.Operation) error { done.Add(1); return nil }}
		run(t, lives)
		synctest.Wait()
		for range 3 {
			op := dies.NewOperation("test", activity.Event{}, id(t, sub))
			if _, err := st.Update(t.Context(), func(tx store.Tx) error { return dies.PutOperation(tx, op) }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		if n := done.Load(); n != 0 {
			t.Errorf("%d operations were taken over while their requests may carry them out", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := done.Load(); n != 3 {
			t.Errorf("%d operations were taken over, want 3", n)
		}
	})
}
