package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sync/errgroup"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

// faults wraps a file system. While on is set, the writes that hits selects fail.
type faults struct {
	on   atomic.Bool
	hit  atomic.Int64
	hits func(op errorfs.Op) bool
	with error
}

func (f *faults) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !f.on.Load() || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !f.hits(op) {
			return nil
		}
		f.hit.Add(1)
		return f.with
	}))
}

func writesTo(parts ...string) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		for _, part := range parts {
			if strings.Contains(op.Path, part) {
				return true
			}
		}
		return false
	}
}

func ofKind(kind errorfs.OpKind, part string) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool { return op.Kind == kind && strings.Contains(op.Path, part) }
}

func everything(op errorfs.Op) bool { return op.Kind != errorfs.OpRemove }

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// Writers, readers and a watcher work on a disk on which some writes fail for a while, several times. Writes
// are refused and are accepted again without a restart, reads still work, and neither an acknowledged write nor
// a value that a reader or the feed has shown is lost.
func TestFailedWritesLoseNothingThatWasAcknowledgedOrRead(t *testing.T) {
	for name, c := range map[string]struct {
		hits func(errorfs.Op) bool
		with error
	}{
		"disk full":          {everything, syscall.ENOSPC},
		"log":                {writesTo(".log"), syscall.EIO},
		"sync of the log":    {ofKind(errorfs.OpFileSyncData, ".log"), syscall.EIO},
		"new log":            {ofKind(errorfs.OpCreate, ".log"), syscall.ENOSPC},
		"tables":             {writesTo(".sst"), syscall.ENOSPC},
		"manifest":           {writesTo("MANIFEST"), syscall.EIO},
		"log and the tables": {writesTo(".log", ".sst"), syscall.ENOSPC},
	} {
		for wrapping, wrap := range map[string]func(*pebble.Engine) store.Engine{"bare": bare, "cached": cached} {
			t.Run(name+" "+wrapping, func(t *testing.T) {
				t.Parallel()
				f := &faults{hits: c.hits, with: c.with}
				fs := f.wrap(vfs.NewMem())
				e, err := pebble.OpenWith(fs, pebble.Options{MemTableBytes: 64 << 10})
				if err != nil {
					t.Fatal(err)
				}
				w := &workload{t: t, st: store.New(wrap(e), store.Options{}), engine: e, acked: map[string]int{}}
				w.run(f)
				if err := w.st.Close(); err != nil {
					t.Fatal(err)
				}
				again := openOn(t, fs, bare)
				for key, n := range w.acked {
					if got := count(t, again, key); got < n {
						t.Errorf("%s: %d was acknowledged or read, the next process finds %d", key, n, got)
					}
				}
			})
		}
	}
}

// workload has the writers, the readers and the watcher of a store. They use counters that only grow, which
// are the lengths of values.
type workload struct {
	t      *testing.T
	st     store.Store
	engine *pebble.Engine
	stop   atomic.Bool

	mu    sync.Mutex
	acked map[string]int // the greatest count per key that was acknowledged or read

	refused, written atomic.Int64
}

// record records a count. before is the greatest count that was recorded when the read began, and n must not be
// less.
func (w *workload) record(key string, n, before int, who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n < before {
		w.t.Errorf("%s: %s sees %d after %d", key, who, n, before)
	}
	w.acked[key] = max(w.acked[key], n)
}

func (w *workload) before(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked[key]
}

func (w *workload) run(f *faults) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var group errgroup.Group
	for i := range 3 {
		group.Go(func() error { return w.write(fmt.Sprintf("n/%d", i)) })
		group.Go(func() error { return w.read(fmt.Sprintf("n/%d", i)) })
	}
	group.Go(func() error { return w.watch(ctx) })
	for range 3 {
		written := w.written.Load()
		eventually(w.t, "writes", func() bool { return w.written.Load() > written+20 })
		f.on.Store(true)
		hit := f.hit.Load()
		eventually(w.t, "a failure", func() bool { return w.engine.Failure() != nil || f.hit.Load() > hit })
		time.Sleep(30 * time.Millisecond)
		f.on.Store(false)
		eventually(w.t, "the end of the failure", func() bool { return w.engine.Failure() == nil })
	}
	written := w.written.Load()
	eventually(w.t, "writes again", func() bool { return w.written.Load() > written+20 })
	w.stop.Store(true)
	cancel()
	if err := group.Wait(); err != nil {
		w.t.Error(err)
	}
	w.compare()
}

func (w *workload) write(key string) error {
	for n := 1; !w.stop.Load(); {
		rev, err := w.st.Update(context.Background(), func(tx store.Tx) error {
			tx.Put(key, []byte(strings.Repeat("x", n)))
			tx.Put("filler/"+key, make([]byte, 4<<10)) // so that tables are flushed
			return nil
		})
		switch {
		case errors.Is(err, store.ErrUnavailable):
			w.refused.Add(1)
			time.Sleep(time.Millisecond)
		case err != nil:
			return fmt.Errorf("write %d of %s: %w", n, key, err)
		default:
			w.record(key, n, 0, fmt.Sprintf("the writer of revision %d", rev))
			w.written.Add(1)
			n++
		}
	}
	return nil
}

func (w *workload) read(key string) error {
	for !w.stop.Load() {
		before, n := w.before(key), 0
		err := w.st.View(context.Background(), func(tx store.Tx) error {
			rec, err := tx.Get(key)
			n = len(rec.Value)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		w.record(key, n, before, "a reader")
		time.Sleep(100 * time.Microsecond)
	}
	return nil
}

// watch follows the counters. If it falls so far behind that the feed no longer reaches back, which happens on a
// machine with much other work, it continues at the newest revision.
func (w *workload) watch(ctx context.Context) error {
	shown, last := map[string]int{}, store.Revision(0)
	err := w.follow(ctx, shown, &last)
	for errors.Is(err, store.ErrCompacted) {
		last = w.engine.Head()
		err = w.follow(ctx, shown, &last)
	}
	return err
}

func (w *workload) follow(ctx context.Context, shown map[string]int, last *store.Revision) error {
	for change, err := range w.st.Watch(ctx, "n/", *last) {
		if err != nil {
			return fmt.Errorf("watch after revision %d: %w", *last, err)
		}
		if change.Revision < *last {
			w.t.Errorf("revision %d after %d", change.Revision, *last)
		}
		if n := len(change.Value); n < shown[change.Key] {
			w.t.Errorf("the feed shows %d of %s after %d", n, change.Key, shown[change.Key])
		}
		*last, shown[change.Key] = change.Revision, len(change.Value)
	}
	return nil
}

// compare compares the values in the cache with those in the engine.
func (w *workload) compare() {
	for i := range 3 {
		key := fmt.Sprintf("n/%d", i)
		snap, err := w.engine.Snapshot(context.Background(), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		rec, err := snap.Get(context.Background(), key)
		snap.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		if got := count(w.t, w.st, key); got != len(rec.Value) {
			w.t.Errorf("%s: the cache returns %d, the engine %d", key, got, len(rec.Value))
		}
	}
}

// TestReadsWorkWhileTheDiskIsFull also checks the errors of writes, Failure, and the end of the failure.
func TestReadsWorkWhileTheDiskIsFull(t *testing.T) {
	f := &faults{hits: everything, with: syscall.ENOSPC}
	e, err := pebble.OpenWith(f.wrap(vfs.NewMem()), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := storetest.CloseAtEnd(t, store.New(cached(e), store.Options{}))
	put := func(value string) (store.Revision, error) {
		return st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", []byte(value)); return nil })
	}
	if _, err := put("1"); err != nil {
		t.Fatal(err)
	}
	f.on.Store(true)
	for range 3 {
		if _, err := put("22"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write on the full disk: %v", err)
		}
		if got := count(t, st, "a"); got != 1 {
			t.Errorf("read: %d bytes", got)
		}
		if got := count(t, st, "absent"); got != 0 {
			t.Errorf("read past the cache: %d bytes", got)
		}
	}
	if err := e.Failure(); !errors.Is(err, syscall.ENOSPC) || e.Failures() != 1 {
		t.Errorf("failure %v, %d in all", err, e.Failures())
	}
	f.on.Store(false)
	eventually(t, "the end of the failure", func() bool { return e.Failure() == nil })
	before := e.Head()
	if rev, err := put("333"); err != nil || rev != before+1 {
		t.Errorf("revision %d after %d: %v", rev, before, err)
	}
	if got := count(t, st, "a"); got != 3 {
		t.Errorf("read: %d bytes", got)
	}
}

// After a failed write and its repair a store passes the whole suite.
func TestConformanceAfterAFailure(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		e, err := pebble.OpenOn(vfs.NewMem())
		if err != nil {
			t.Fatal(err)
		}
		st := storetest.CloseAtEnd(t, store.New(store.Cached(e, 1<<20), store.Options{}))
		e.Break(syscall.EIO)
		for e.Failures() == 0 || e.Failure() != nil {
			time.Sleep(time.Millisecond)
		}
		return st
	})
}

func TestCloseDuringAFailureDoesNotHang(t *testing.T) {
	f := &faults{hits: everything, with: syscall.ENOSPC}
	e, err := pebble.OpenWith(f.wrap(vfs.NewMem()), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(cached(e), store.Options{})
	f.on.Store(true)
	_, _ = st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", nil); return nil })
	if err := st.Close(); err != nil {
		t.Logf("close: %v", err)
	}
}

// The first write that fails may be one of the close itself: the disk is full, or the folder was removed.
func TestCloseOnADiskThatFailsDoesNotHang(t *testing.T) {
	f := &faults{hits: everything, with: syscall.ENOSPC}
	e, err := pebble.OpenWith(f.wrap(vfs.NewMem()), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(cached(e), store.Options{})
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", []byte("a")); return nil }); err != nil {
		t.Fatal(err)
	}
	f.on.Store(true)
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	select {
	case err := <-closed:
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("close: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the store is still closing")
	}
}

func TestFullDiskAtTheStartIsReported(t *testing.T) {
	f := &faults{hits: everything, with: syscall.ENOSPC}
	f.on.Store(true)
	if _, err := pebble.OpenOn(f.wrap(vfs.NewMem())); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Error(err)
	}
}
