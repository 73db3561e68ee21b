package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"midas/internal/store"
)

// feedUnderWriters watches while 16 writers put and delete, and rebuilds the store from the changes.
func feedUnderWriters(t *testing.T, st store.Store) {
	rebuilt := make(map[string]string)
	var watcher, writers errgroup.Group
	watcher.Go(func() error { return rebuild(st, rebuilt) })
	for w := range 16 {
		writers.Go(func() error {
			for i := range 40 {
				_, err := st.Update(context.Background(), func(tx store.Tx) error {
					tx.Put(fmt.Sprintf("own/%d/%d", w, i%7), fmt.Appendf(nil, "%d", i))
					tx.Put(fmt.Sprintf("shared/%d", i%5), fmt.Appendf(nil, "%d/%d", w, i))
					tx.Delete(fmt.Sprintf("own/%d/%d", w, (i+3)%7))
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	failed := writers.Wait()
	put(t, st, "end", "")
	if err := errors.Join(failed, watcher.Wait()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, st), rebuilt); diff != "" {
		t.Errorf("the store and its state rebuilt from the feed (-store +feed):\n%s", diff)
	}
}

// rebuild applies a feed to a map until the key "end" is put, and checks the order.
func rebuild(st store.Store, into map[string]string) error {
	var at store.Revision
	whole := true // the last change was the last one of its commit
	for change, err := range st.Watch(context.Background(), "", 0) {
		if err != nil {
			return err
		}
		if change.Revision < at || whole != (change.Revision > at) {
			return fmt.Errorf("revision %d follows %d, whose last change has come: %v", change.Revision, at, whole)
		}
		at, whole = change.Revision, change.Last
		if change.Deleted {
			delete(into, change.Key)
		} else {
			into[change.Key] = string(change.Value)
		}
		if change.Key == "end" {
			break
		}
	}
	return nil
}

// contents reads the whole store.
func contents(t testing.TB, st store.Store) map[string]string {
	t.Helper()
	var all map[string]string
	err := st.View(context.Background(), func(tx store.Tx) error {
		all = make(map[string]string)
		records, err := scanAll(tx, store.Range{})
		for _, rec := range records {
			all[rec.Key] = string(rec.Value)
		}
		return err
	})
	if err != nil {
		t.Fatalf("read all: %v", err)
	}
	return all
}

// take returns the first count changes of a feed.
func take(t *testing.T, st store.Store, prefix string, after store.Revision, count int) []store.Change {
	t.Helper()
	var changes []store.Change
	for change, err := range st.Watch(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("watch %q after %d: %v", prefix, after, err)
		}
		if changes = append(changes, change); len(changes) == count {
			break
		}
	}
	return changes
}

func feedPrefix(t *testing.T, st store.Store) {
	put(t, st, "a/1", "x")
	first := put(t, st, "b/1", "y")
	put(t, st, "b", "not below")
	last, err := st.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("c", nil)
		tx.Delete("b/1")
		tx.Put("b/2", nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Change{
		{Revision: first, Key: "b/1", Value: []byte("y")},
		{Revision: last, Key: "b/1", Deleted: true},
		{Revision: last, Key: "b/2", Value: []byte{}},
	}
	if diff := cmp.Diff(want, take(t, st, "b/", 0, 3)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func feedFromAnywhere(t *testing.T, st store.Store) {
	revisions := []store.Revision{0}
	for i := range 10 {
		revisions = append(revisions, put(t, st, fmt.Sprintf("k%d", i), "x"))
	}
	end := revisions[10]
	for i, after := range revisions[:10] {
		changes := take(t, st, "", after, 10-i)
		if first, last := changes[0].Revision, changes[len(changes)-1].Revision; first != revisions[i+1] || last != end {
			t.Errorf("after %d: from %d to %d", after, first, last)
		}
	}
	got := make(chan store.Change)
	go func() {
		for change := range st.Watch(t.Context(), "", end) {
			got <- change
			return
		}
	}()
	put(t, st, "future", "x")
	if change := <-got; change.Revision <= end || change.Key != "future" {
		t.Errorf("after the newest revision: %+v", change)
	}
}

func feedFuture(t *testing.T, st store.Store) {
	future := put(t, st, "a", "x") + 1_000_000
	yielded := 0
	for _, err := range st.Watch(t.Context(), "", future) {
		if yielded++; !errors.Is(err, store.ErrCompacted) {
			t.Errorf("got %v", err)
		}
	}
	if yielded != 1 {
		t.Errorf("the feed yields %d times", yielded)
	}
}

func feedEnds(t *testing.T, st store.Store) {
	put(t, st, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range st.Watch(ctx, "", 0) {
		if err != nil {
			t.Errorf("a cancelled feed: %v", err)
		}
		seen++
		cancel()
	}
	if seen != 1 {
		t.Errorf("%d changes", seen)
	}
	ended := make(chan error)
	for range 3 {
		go func() {
			var last error
			for _, last = range st.Watch(t.Context(), "", 0) {
			}
			ended <- last
		}()
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-ended; !errors.Is(err, store.ErrClosed) {
			t.Errorf("a feed of a closed store: %v", err)
		}
	}
}

// feedSlow stops reading after the first change until many megabytes were written. Then the feed must go on
// without a gap or end with ErrCompacted.
func feedSlow(t *testing.T, st store.Store) {
	const writes = 40
	put(t, st, "a", "x")
	var revisions []store.Revision // of the writes, once they are done
	seen := 0
	for change, err := range st.Watch(t.Context(), "", 0) {
		if errors.Is(err, store.ErrCompacted) && seen == 1 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen > 0 && change.Revision != revisions[seen-1] {
			t.Fatalf("change %d has revision %d, want %d", seen, change.Revision, revisions[seen-1])
		}
		if seen++; seen == 1 {
			for i := range writes {
				revisions = append(revisions, put(t, st, "big", string(append(make([]byte, 300<<10), byte(i)))))
			}
		}
		if seen == writes+1 {
			return
		}
	}
	t.Fatalf("the feed ended after %d changes without an error", seen)
}
