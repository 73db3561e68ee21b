package replica_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/replica"
	"midas/internal/store/storetest"
)

func TestReplicasThatRunAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		found := func() []string {
			t.Helper()
			all, err := replica.Running(t.Context(), st)
			if err != nil {
				t.Error(err)
			}
			return all
		}
		if got := found(); len(got) > 0 {
			t.Errorf("in an empty store: %q", got)
		}
		_, endA := registry(t, st, "a", 0)
		dying := &unplugged{Store: st}
		_, endB := registry(t, dying, "b", 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(found()) == 0 { // it returns with the first one that it sees
			t.Error("none of two is found")
		}
		dying.cut(true)
		endB()
		if got := found(); !slices.Equal(got, []string{"https://a"}) {
			t.Errorf("with a dead one: %q", got)
		}
		endA()
		if got := found(); len(got) > 0 {
			t.Errorf("after the end of all: %q", got)
		}
	})
}
