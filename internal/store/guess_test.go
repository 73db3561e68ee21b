package store_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestFollowerThatComparesHeadsPassesTheConformanceSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return newShared(t).comparing(t) })
}

func TestReplicasThatCompareHeadsShareOneStore(t *testing.T) {
	storetest.RunShared(t, func(t testing.TB) (a, b store.Store) {
		e := newShared(t)
		return e.comparing(t), e.comparing(t)
	})
}

// create puts a key that it presumes to be absent, and reports whether it was. A record that exists gets one letter more.
func create(ctx context.Context, st store.Store, key string) (created bool, runs int, err error) {
	_, err = st.Update(ctx, func(tx store.Tx) error {
		runs++
		if _, err := tx.Get("parent"); err != nil {
			return err
		}
		store.PresumeAbsent(tx, key)
		rec, err := tx.Get(key)
		if created = errors.Is(err, store.ErrNotFound); err != nil && !created {
			return err
		}
		tx.Put(key, append(slices.Clone(rec.Value), 'x'))
		return nil
	})
	return created, runs, err
}

func TestAReplicaThatWritesAloneAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).comparing(t)
		writeKey(t, r, "parent", "")
		if _, err := valueIn(t.Context(), r.View, "parent"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		asked, reads := r.link.asked, r.link.reads
		for i := range 100 {
			created, runs, err := create(store.Request(t.Context()), r, strconv.Itoa(i))
			if !created || runs != 1 || err != nil {
				t.Fatalf("create %d: %v after %d runs, %v", i, created, runs, err)
			}
		}
		if r.link.asked != asked || r.link.reads != reads {
			t.Errorf("%d questions and %d snapshots", r.link.asked-asked, r.link.reads-reads)
		}
	})
}

// What an Update reads without a guard is as new as its commit, if another replica writes meanwhile.
func TestACommitThatIsOvertakenRunsAgain(t *testing.T) {
	e := newShared(t)
	r, other := e.comparing(t), e.replica(t)
	writeKey(t, r, "members/a", "")
	list := func(tx store.Tx) (n int, err error) {
		records, err := tx.Records(store.Range{Prefix: "members/"})
		return len(records), err
	}
	if err := r.View(t.Context(), func(tx store.Tx) error { _, err := list(tx); return err }); err != nil {
		t.Fatal(err)
	}
	runs, seen := 0, 0
	_, err := r.Update(t.Context(), func(tx store.Tx) (err error) {
		runs++
		if seen, err = list(tx); err != nil {
			return err
		}
		if runs == 1 {
			r.link.set(func(l *link) { l.deaf = true }) // so that it cannot know
			writeKey(t, other, "members/b", "")
			r.link.set(func(l *link) { l.deaf = false })
		}
		tx.Put("count", []byte(strconv.Itoa(seen)))
		return nil
	})
	if err != nil || runs < 2 || seen != 2 {
		t.Errorf("%d members after %d runs: %v", seen, runs, err)
	}
}

func TestWrongPresumptions(t *testing.T) {
	e := newShared(t)
	r, other := e.comparing(t), e.replica(t)
	writeKey(t, other, "parent", "")
	for _, key := range []string{"a", "b", "c", "d"} {
		writeKey(t, other, key, "1")
	}
	if _, err := valueIn(t.Context(), r.View, "parent"); err != nil {
		t.Fatal(err)
	}
	created, runs, err := create(t.Context(), r, "a")
	if created || runs != 2 || err != nil {
		t.Errorf("a record that exists: created %v after %d runs, %v", created, runs, err)
	}
	if got, _ := valueIn(t.Context(), other.View, "a"); got != "1x" {
		t.Errorf("%q", got)
	}
	if _, runs, _ = create(t.Context(), r, "b"); runs != 1 { // after a wrong one, the next attempt asks
		t.Errorf("%d runs", runs)
	}
	if _, runs, _ = create(t.Context(), r, "new"); runs != 1 {
		t.Errorf("%d runs", runs)
	}
	for name, fn := range map[string]func(store.Tx) error{
		"an error":   func(tx store.Tx) error { _, err := tx.Get("c"); return err },
		"no writes":  func(tx store.Tx) error { _, err := tx.Get("c"); _ = err; return nil },
		"own writes": func(tx store.Tx) error { tx.Put("c", []byte("2")); _, err := tx.Get("c"); return err },
	} {
		found := ""
		if _, err := r.Update(t.Context(), func(tx store.Tx) error {
			store.PresumeAbsent(tx, "c")
			rec, err := tx.Get("c")
			if found = string(rec.Value); err != nil && name == "an error" {
				return err
			}
			return fn(tx)
		}); err != nil || found == "" {
			t.Errorf("%s: found %q, %v", name, found, err)
		}
	}
	memo := store.Memo[string]{Name: "test", Size: func(string) int { return 1 }}
	computed := ""
	if _, err := r.Update(t.Context(), func(tx store.Tx) (err error) { // what is computed for others rests on no guess
		store.PresumeAbsent(tx, "d")
		computed, err = memo.Of(tx, "key", nil, func(tx store.Tx) (string, error) {
			rec, err := tx.Get("d")
			return string(rec.Value), err
		})
		tx.Put("e", nil)
		return err
	}); err != nil || computed != "1" {
		t.Errorf("a Memo has %q: %v", computed, err)
	}
	if err := r.View(t.Context(), func(tx store.Tx) error { // a View presumes nothing
		store.PresumeAbsent(tx, "d")
		_, err := tx.Get("d")
		return err
	}); err != nil {
		t.Error(err)
	}
}
