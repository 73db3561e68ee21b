package lock_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const subscription = "/subscriptions/22222222-2222-2222-2222-222222222222"

func newService(t testing.TB) (*lock.Service, store.Store) {
	st := storetest.Memory(t)
	log := &activity.Log{Store: st, Now: time.Now, NewID: uuid.NewString}
	return lock.New(lock.Config{Store: st, Log: log, Now: time.Now, Scope: func(store.Tx, arm.ID) error { return nil }}), st
}

func id(t testing.TB, text string) arm.ID {
	t.Helper()
	parsed, err := arm.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// A lock at one scope decides for exactly the scopes and operations that its level says. Names that begin alike are
// different scopes.
func TestCheck(t *testing.T) {
	s, st := newService(t)
	const group, job = subscription + "/resourceGroups/rg1", subscription + "/resourceGroups/rg1/providers/A.B/jobs/j"
	for scope, level := range map[string]lock.Level{group: lock.CanNotDelete, job: lock.ReadOnly} {
		if _, _, err := s.Put(t.Context(), activity.Event{}, id(t, scope), lock.Lock{Name: "l", Level: level}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		scope   string
		write   bool // is refused
		deletes bool
	}{
		{subscription, false, true},
		{group, false, true},
		{job, true, true},
		{job + "/steps/s", true, true},
		{job + "/providers/Microsoft.Authorization/roleAssignments/x", true, true},
		{job + "2", false, true},
		{group + "0", false, false},
		{group + "0/providers/A.B/jobs/j", false, false},
		{"/SUBSCRIPTIONS/22222222-2222-2222-2222-222222222222/resourcegroups/RG1", false, true},
		{"/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/rg1", false, false},
		{"/providers/A.B/jobs/j", false, false},
	} {
		for o, want := range map[lock.Operation]bool{lock.Read: false, lock.Write: c.write, lock.Delete: c.deletes} {
			err := st.View(t.Context(), func(tx store.Tx) error { return s.Check(tx, o, id(t, c.scope)) })
			var refused *arm.Error
			if got := errors.As(err, &refused) && refused.Code == lock.CodeScopeLocked; got != want {
				t.Errorf("%v at %s: %v, want refused %v", o, c.scope, err, want)
			}
		}
	}
}

// Concurrent writers exceed no limit, and the count is exact.
func TestLimitsHoldForConcurrentWriters(t *testing.T) {
	s, st := newService(t)
	scope := id(t, subscription+"/resourceGroups/rg")
	var all sync.WaitGroup
	for i := range 2 * lock.MaxAtScope {
		all.Go(func() {
			_, _, _ = s.Put(t.Context(), activity.Event{}, scope, lock.Lock{Name: fmt.Sprint("l", i), Level: lock.ReadOnly})
		})
	}
	all.Wait()
	page, err := s.List(t.Context(), scope, lock.Filter{})
	if err != nil || len(page.Locks) > lock.MaxAtScope || len(page.Locks) == 0 {
		t.Errorf("%d locks, %v", len(page.Locks), err)
	}
	for _, l := range page.Locks {
		if existed, err := s.Delete(t.Context(), activity.Event{}, scope, l.Name); !existed || err != nil {
			t.Errorf("delete %s: %v %v", l.Name, existed, err)
		}
	}
	_ = st.View(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get(store.LockCount.Keys + scope.Subscription()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the count is left: %v", err)
		}
		return nil
	})
}

// A lock that is not counted, or not under its key, protects nothing. Inconsistencies reports it.
func TestInconsistencies(t *testing.T) {
	s, st := newService(t)
	for i := range 3 {
		if _, _, err := s.Put(t.Context(), activity.Event{}, id(t, subscription), lock.Lock{Name: fmt.Sprint("l", i), Level: lock.ReadOnly}); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (n int) {
		_ = st.View(t.Context(), func(tx store.Tx) error {
			for range lock.Inconsistencies(tx) {
				n++
			}
			return nil
		})
		return n
	}
	if n := found(); n != 0 {
		t.Errorf("%d inconsistencies of what the service has written", n)
	}
	change := func(f func(tx store.Tx)) {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { f(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	counted := store.LockCount.Keys + id(t, subscription).Subscription()
	change(func(tx store.Tx) { tx.Delete(counted) })
	if n := found(); n != 1 {
		t.Errorf("%d inconsistencies without the count", n)
	}
	change(func(tx store.Tx) { tx.Put(counted, []byte(`{"v":1,"locks":2}`)) })
	if n := found(); n != 1 {
		t.Errorf("%d inconsistencies with a wrong count", n)
	}
	change(func(tx store.Tx) {
		tx.Put(counted, []byte(`{"v":1,"locks":3}`))
		rec, err := tx.Get(store.LockKind.Keys + subscription + "\x00l1")
		if err != nil {
			t.Fatal(err)
		}
		tx.Put(store.LockKind.Keys+subscription+"\x00other", rec.Value)
		tx.Delete(rec.Key)
	})
	if n := found(); n != 1 {
		t.Errorf("%d inconsistencies with a lock under another key", n)
	}
}
