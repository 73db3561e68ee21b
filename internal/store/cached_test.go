package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// counting counts the snapshots that the cache has opened on the engine below it.
type counting struct {
	*pebble.Engine
	snapshots int
}

func (c *counting) Snapshot(ctx context.Context, attempt int) (store.Snapshot, error) {
	c.snapshots++
	return c.Engine.Snapshot(ctx, attempt)
}

func newCached(t *testing.T, bytes int64) (store.Store, *store.Cache, *counting) {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	below := &counting{Engine: engine}
	cache := store.Cached(below, bytes)
	st := store.New(cache, store.Options{})
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return st, cache, below
}

func put(t *testing.T, st store.Store, keys ...string) {
	t.Helper()
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		for _, key := range keys {
			tx.Put(key, []byte("value of "+key))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keysOf reads in one view: a name that ends in '*' is a scan with the prefix before it, any other name a get.
func keysOf(t *testing.T, st store.Store, reads ...string) []string {
	t.Helper()
	var keys []string
	err := st.View(t.Context(), func(tx store.Tx) error {
		keys = nil
		for _, read := range reads {
			if read[len(read)-1] != '*' {
				rec, err := tx.Get(read)
				if err == nil {
					keys = append(keys, rec.Key)
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
				continue
			}
			for rec, err := range tx.Scan(store.Range{Prefix: read[:len(read)-1]}) {
				if err != nil {
					return err
				}
				keys = append(keys, rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestSecondReadIsServedFromTheCache(t *testing.T) {
	st, cache, below := newCached(t, 1<<20)
	put(t, st, "a/1", "a/2", "ab\x00c")
	reads := []string{"a/1", "absent", "a/*", "none/*", "ab\x00*"}
	want := []string{"a/1", "a/1", "a/2", "ab\x00c"}
	if diff := cmp.Diff(want, keysOf(t, st, reads...)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	asked := below.snapshots
	if diff := cmp.Diff(want, keysOf(t, st, reads...)); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
	if below.snapshots != asked {
		t.Error("the second read used the engine")
	}
	stats := cache.Stats()
	if stats.Hits != 5 || stats.Misses != 5 || stats.Entries != 5 || stats.Bytes == 0 {
		t.Errorf("got %+v", stats)
	}
}

func TestCommitRemovesExactlyTheChangedEntries(t *testing.T) {
	for _, test := range []struct {
		write, read string
		forgotten   bool
	}{
		{"a/1", "a/1", true},
		{"a/1", "a/2", false},
		{"a/1", "a/*", true},
		{"a/b/1", "a/*", true},
		{"a/b/1", "a/b/*", true},
		{"a/b\x001", "a/b\x00*", true},
		{"a/b/1", "a/c/*", false},
		{"ab/1", "a/*", false},
		{"a/", "a/*", true},
		{"a", "a/*", false},
		{"new", "new", true},
	} {
		t.Run(test.write+" and "+test.read, func(t *testing.T) {
			st, _, below := newCached(t, 1<<20)
			put(t, st, "a/2", "a/b/2", "a/c/2")
			keysOf(t, st, test.read)
			put(t, st, test.write)
			asked := below.snapshots
			keysOf(t, st, test.read)
			if got := below.snapshots > asked; got != test.forgotten {
				t.Errorf("removed from the cache: %v, want %v", got, test.forgotten)
			}
		})
	}
}

func TestCacheKeepsUsedEntriesWithinItsLimit(t *testing.T) {
	const limit = 300 << 10
	st, cache, below := newCached(t, limit)
	for i := range 20 {
		var keys []string
		for j := range 100 {
			keys = append(keys, fmt.Sprintf("k/%d/%d", i, j))
		}
		put(t, st, keys...)
	}
	put(t, st, "hot")
	for i := range 20 {
		for j := range 100 {
			keysOf(t, st, fmt.Sprintf("k/%d/%d", i, j), "hot")
		}
		keysOf(t, st, fmt.Sprintf("k/%d/*", i))
	}
	stats := cache.Stats()
	if stats.Capacity != limit || stats.Bytes > limit || stats.Bytes < limit/2 || stats.Entries < 100 {
		t.Errorf("got %+v", stats)
	}
	asked := below.snapshots
	keysOf(t, st, "hot")
	if below.snapshots != asked {
		t.Error("the most used entry was evicted")
	}
}

func TestLargeResultsAreNotCached(t *testing.T) {
	st, cache, _ := newCached(t, 64<<20)
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("big/1", make([]byte, 200<<10))
		tx.Put("big/2", nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		var keys []string
		for j := range 100 {
			keys = append(keys, fmt.Sprintf("many/%d/%d", i, j))
		}
		put(t, st, keys...)
	}
	keysOf(t, st, "big/1", "big/*", "many/*", "man*")
	if stats := cache.Stats(); stats.Entries != 0 {
		t.Errorf("got %+v", stats)
	}
}

func TestUnfinishedScanIsNotCached(t *testing.T) {
	st, _, _ := newCached(t, 1<<20)
	put(t, st, "a/1", "a/2", "a/3")
	for _, want := range []int{1, 2, 3} {
		seen := 0
		err := st.View(t.Context(), func(tx store.Tx) error {
			seen = 0
			for _, err := range tx.Scan(store.Range{Prefix: "a/"}) {
				if seen++; err != nil || seen == want {
					return err
				}
			}
			return nil
		})
		if err != nil || seen != want {
			t.Errorf("%d records, %v, want %d", seen, err, want)
		}
	}
}

func TestSeveralPagesOfOnePrefixAreCached(t *testing.T) {
	st, _, below := newCached(t, 1<<20)
	put(t, st, "a/1", "a/2", "a/3", "a/4")
	page := func(after string, reverse bool) string {
		var got string
		err := st.View(t.Context(), func(tx store.Tx) error {
			got = ""
			for rec, err := range tx.Scan(store.Range{Prefix: "a/", After: after, Limit: 2, Reverse: reverse}) {
				if err != nil {
					return err
				}
				got += rec.Key[2:]
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := func() []string {
		return []string{page("", false), page("a/2", false), page("a/4", false), page("", true), page("a/3", true)}
	}
	want := []string{"12", "34", "", "43", "21"}
	for range 2 {
		if diff := cmp.Diff(want, all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if below.snapshots > len(want)+1 { // one for each page, and one for the put
		t.Errorf("the cache opened %d snapshots", below.snapshots)
	}
}

func TestCachedGetAllocatesNothing(t *testing.T) {
	st, _, _ := newCached(t, 1<<20)
	put(t, st, "a/1")
	keysOf(t, st, "a/1")
	err := st.View(t.Context(), func(tx store.Tx) error {
		got := testing.AllocsPerRun(7, func() { // a view records its first eight uses without an allocation
			if _, err := tx.Get("a/1"); err != nil {
				t.Error(err)
			}
		})
		if got != 0 {
			t.Errorf("%v allocations", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A small scan that is not in the cache counts one miss, and is cached for the next read.
func TestUncachedRecordsCountOneMiss(t *testing.T) {
	st, cache, below := newCached(t, 1<<20)
	put(t, st, "a/1", "a/2")
	for range 2 {
		err := st.View(t.Context(), func(tx store.Tx) error {
			records, err := tx.Records(store.Range{Prefix: "a/"})
			if err == nil && len(records) != 2 {
				t.Errorf("%d records, want 2", len(records))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if stats := cache.Stats(); stats.Misses != 1 || stats.Hits != 1 {
		t.Errorf("%d misses and %d hits of one scan, read twice (%d snapshots)", stats.Misses, stats.Hits, below.snapshots)
	}
}
