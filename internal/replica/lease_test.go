package replica_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/replica"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// quiet drops all lines.
var quiet = slog.New(slog.DiscardHandler)

// workers are the replicas that do the work of one job now.
type workers struct {
	mu  sync.Mutex
	now map[string]context.Context
}

func (w *workers) run(ctx context.Context, id string) {
	w.mu.Lock()
	w.now[id] = ctx
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	delete(w.now, id)
	w.mu.Unlock()
}

func (w *workers) ids() (ids []string, ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, c := range w.now {
		ids, ctx = append(ids, id), c
	}
	return ids, ctx
}

// unplugged is a store whose updates fail while it is cut off, as those of a replica in a partition.
type unplugged struct {
	store.Store
	mu  sync.Mutex
	off bool
}

func (s *unplugged) cut(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = off
}

func (s *unplugged) Update(ctx context.Context, fn func(store.Tx) error) (store.Revision, error) {
	s.mu.Lock()
	off := s.off
	s.mu.Unlock()
	if off {
		return 0, store.ErrUnavailable
	}
	return s.Store.Update(ctx, fn)
}

// lease starts a replica that wants to do the work. end waits until it has ended.
func lease(t *testing.T, st store.Store, id string, w *workers) (l *replica.Lease, end func()) {
	t.Helper()
	l = &replica.Lease{Store: st, Name: "work", ID: id, Log: quiet}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx, func(ctx context.Context) error { w.run(ctx, id); return nil }); err != nil {
			t.Errorf("Run of %s: %v", id, err)
		}
	})
	return l, func() { stop(); running.Wait() }
}

func TestOneReplicaAtATimeDoesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, w := storetest.Memory(t), &workers{now: map[string]context.Context{}}
		ends := map[string]func(){}
		for _, id := range []string{"a", "b", "c"} {
			_, ends[id] = lease(t, st, id, w)
		}
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if ids, _ := w.ids(); len(ids) != 1 {
				t.Fatalf("%v do the work, want one replica", ids)
			}
		}
		first, _ := w.ids()
		ends[first[0]]()
		delete(ends, first[0])
		time.Sleep(2 * time.Second) // it has given the lease up, so nobody waits for replica.TakeAfter
		synctest.Wait()
		if ids, _ := w.ids(); len(ids) != 1 || ids[0] == first[0] {
			t.Errorf("%v do the work after %s has ended", ids, first[0])
		}
		for _, end := range ends {
			end()
		}
	})
}

func TestWorkOfALostLeaseWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := storetest.Memory(t), &workers{now: map[string]context.Context{}}
		paused := &unplugged{Store: shared}
		_, endA := lease(t, paused, "a", w)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, work := w.ids() // the context of the work of a, whose guard it keeps when it goes on after a pause
		work = context.WithoutCancel(work)
		if _, err := shared.Update(work, func(tx store.Tx) error { tx.Put("x", []byte("held")); return nil }); err != nil {
			t.Fatalf("a write of the holder: %v", err)
		}
		paused.cut(true)
		_, endB := lease(t, shared, "b", w)
		time.Sleep(replica.TakeAfter - time.Second)
		synctest.Wait()
		if ids, _ := w.ids(); len(ids) != 1 || ids[0] != "a" {
			t.Fatalf("%v do the work, want a, whose lease is not over", ids)
		}
		time.Sleep(replica.TakeAfter)
		synctest.Wait()
		if ids, _ := w.ids(); len(ids) != 1 || ids[0] != "b" {
			t.Fatalf("%v do the work, want b", ids)
		}
		_, err := shared.Update(work, func(tx store.Tx) error { tx.Put("x", []byte("lost")); return nil })
		if !errors.Is(err, replica.ErrLost) {
			t.Errorf("a write of the former holder: %v, want ErrLost", err)
		}
		paused.cut(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if ids, _ := w.ids(); len(ids) != 1 || ids[0] != "b" {
			t.Errorf("%v do the work, want b, which has not lost it", ids)
		}
		endA()
		endB()
	})
}

// TestPausedReplicaDoesNotTakeTheLease stops the reads of a replica that waits for the lease for a minute. The record
// that it reads then is another one, and that it has not seen the record change proves nothing.
func TestPausedReplicaDoesNotTakeTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, w := storetest.Memory(t), &workers{now: map[string]context.Context{}}
		_, endA := lease(t, shared, "a", w)
		time.Sleep(2 * time.Second)
		paused := &unplugged{Store: shared}
		_, endB := lease(t, paused, "b", w)
		for range 5 {
			time.Sleep(2 * time.Second)
			paused.cut(true)
			time.Sleep(time.Minute)
			paused.cut(false)
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			if ids, _ := w.ids(); len(ids) != 1 || ids[0] != "a" {
				t.Fatalf("%v do the work, want a", ids)
			}
		}
		endA()
		endB()
	})
}

func TestSingleProcessWritesNoLease(t *testing.T) {
	st := storetest.Memory(t)
	l := &replica.Lease{Store: st, Name: "work", ID: "a", Alone: true}
	r := &replica.Registry{Store: st, ID: "a", Now: time.Now, Log: quiet, Alone: true}
	done := errors.New("done")
	err := l.Run(t.Context(), func(ctx context.Context) error {
		if _, err := st.Update(ctx, func(tx store.Tx) error { tx.Put("x", nil); return nil }); err != nil {
			t.Error(err)
		}
		return done
	})
	if !errors.Is(err, done) || r.Run(t.Context()) != nil {
		t.Errorf("Run: %v, want the error of the work", err)
	}
	err = st.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil || rec.Key != "x" {
				t.Errorf("the store has %q (%v)", rec.Key, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
