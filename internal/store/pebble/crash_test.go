package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	storetest.Kill(t, func(t testing.TB, dir string) store.Store {
		return store.New(cached(folder(t, dir)), store.Options{})
	})
}

// seen records, for each key, the greatest count that was acknowledged to a writer or read by a reader.
type seen struct {
	mu     sync.Mutex
	counts map[string]int
}

func (s *seen) tell(key string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[key] = max(s.counts[key], n)
}

// A power loss loses all data that was not synced. Acknowledged writes and values that a reader has seen must
// not be among it. Readers are tested because a commit is visible inside the engine before it is durable.
func TestPowerLossLosesNothingThatWasAcknowledgedOrRead(t *testing.T) {
	for name, wrap := range map[string]func(*pebble.Engine) store.Engine{"bare": bare, "cached": cached} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			st := openOn(t, fs, wrap)
			told := &seen{counts: make(map[string]int)}
			var stop atomic.Bool
			var group errgroup.Group
			for w := range 4 {
				group.Go(func() error { return countUp(st, fmt.Sprintf("n/%d", w), told, &stop) })
				group.Go(func() error { return lookAt(st, told, &stop) })
			}
			for range 20 {
				crashOnce(t, fs, st, told)
			}
			stop.Store(true)
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func openOn(t *testing.T, fs vfs.FS, wrap func(*pebble.Engine) store.Engine) store.Store {
	t.Helper()
	e, err := pebble.OpenOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	return storetest.CloseAtEnd(t, store.New(wrap(e), store.Options{}))
}

// crashOnce waits for some commits, simulates a power loss in a copy of the file system, and compares.
func crashOnce(t *testing.T, fs *vfs.MemFS, st store.Store, told *seen) {
	t.Helper()
	changes := 0
	var head store.Revision
	_, _ = st.Update(t.Context(), func(store.Tx) error { return nil })
	head, err := st.Update(t.Context(), func(store.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for range st.Watch(t.Context(), "", head) {
		if changes++; changes == 25 {
			break
		}
	}
	told.mu.Lock()
	want := make(map[string]int)
	for key, n := range told.counts {
		want[key] = n
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	told.mu.Unlock()
	after := openOn(t, crashed, bare)
	for key, n := range want {
		if got := count(t, after, key); got < n {
			t.Errorf("%s: %d was acknowledged or read, after the crash it is %d", key, n, got)
		}
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, st store.Store, key string) int {
	t.Helper()
	n := 0
	err := st.View(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get(key)
		n = len(rec.Value)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// countUp makes the value of its key one byte longer each time.
func countUp(st store.Store, key string, told *seen, stop *atomic.Bool) error {
	for n := 1; !stop.Load(); n++ {
		_, err := st.Update(context.Background(), func(tx store.Tx) error {
			tx.Put(key, make([]byte, n))
			return nil
		})
		if err != nil {
			return err
		}
		told.tell(key, n)
	}
	return nil
}

func lookAt(st store.Store, told *seen, stop *atomic.Bool) error {
	for !stop.Load() {
		now := make(map[string]int)
		err := st.View(context.Background(), func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Range{Prefix: "n/"}) {
				if err != nil {
					return err
				}
				now[rec.Key] = len(rec.Value)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for key, n := range now {
			told.tell(key, n)
		}
	}
	return nil
}
