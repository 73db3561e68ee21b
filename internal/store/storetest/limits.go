package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"midas/internal/store"
)

// forKeys returns a function that calls use with n keys.
func forKeys(n int, use func(tx store.Tx, key string)) func(store.Tx) {
	return func(tx store.Tx) {
		for i := range n {
			use(tx, fmt.Sprintf("key-%04d", i))
		}
	}
}

func getKey(tx store.Tx, key string) { _, _ = tx.Get(key) }

// fillWith returns a function that puts the keys x and y, with MaxValue bytes and with last bytes.
func fillWith(last int) func(store.Tx) {
	return func(tx store.Tx) {
		tx.Put("x", make([]byte, store.MaxValue))
		tx.Put("y", make([]byte, last))
	}
}

func limits(t *testing.T, st store.Store) {
	long := strings.Repeat("k", store.MaxKey+1)
	getAndPut := func(tx store.Tx, key string) { getKey(tx, key); tx.Put(key, []byte("1")) }
	remove := func(tx store.Tx, key string) { tx.Delete(key) }
	rest := store.MaxTransaction - store.MaxValue - len("xy") // the keys count, too
	for _, test := range []struct {
		name string
		run  func(store.Tx)
		fits bool
	}{
		{"largest key", func(tx store.Tx) { tx.Put(long[1:], nil) }, true},
		{"larger key", func(tx store.Tx) { tx.Put(long, nil) }, false},
		{"larger key deleted", func(tx store.Tx) { tx.Delete(long) }, false},
		{"larger key got", func(tx store.Tx) { getKey(tx, long) }, false},
		{"largest value", func(tx store.Tx) { tx.Put("v", make([]byte, store.MaxValue)) }, true},
		{"larger value", func(tx store.Tx) { tx.Put("v", make([]byte, store.MaxValue+1)) }, false},
		{"largest transaction", fillWith(rest), true},
		{"larger transaction", fillWith(rest + 1), false},
		{"a got key counts", func(tx store.Tx) { getKey(tx, "z"); fillWith(rest - 1)(tx) }, true},
		{"a got key does not fit", func(tx store.Tx) { getKey(tx, "z"); fillWith(rest)(tx) }, false},
		{"a key got later does not fit", func(tx store.Tx) { fillWith(rest)(tx); getKey(tx, "z") }, false},
		{"a got and written key counts twice", func(tx store.Tx) { getKey(tx, "x"); fillWith(rest)(tx) }, false},
		{"overwritten puts count once", func(tx store.Tx) { fillWith(rest)(tx); fillWith(rest)(tx) }, true},
		{"most operations", forKeys(store.MaxOperations, getAndPut), true},
		{"more gets and puts", forKeys(store.MaxOperations+1, getAndPut), false},
		{"more gets", forKeys(store.MaxOperations+1, getKey), false},
		{"more deletes", forKeys(store.MaxOperations+1, remove), false},
	} {
		before := put(t, st, "head", "")
		rev, err := st.Update(t.Context(), func(tx store.Tx) error {
			test.run(tx)
			return nil
		})
		if test.fits && (err != nil || rev <= before) {
			t.Errorf("%s: revision %d after %d, %v", test.name, rev, before, err)
		}
		if !test.fits && (!errors.Is(err, store.ErrTooLarge) || newest(t, st) != before) {
			t.Errorf("%s: want ErrTooLarge and nothing written, got %v", test.name, err)
		}
	}
	emptyKeyIsRefused(t, st)
	manyGets := func(tx store.Tx) error { forKeys(3*store.MaxOperations, getKey)(tx); return nil }
	if err := st.View(t.Context(), manyGets); err != nil {
		t.Errorf("the number of gets in a view must not be limited: %v", err)
	}
}

func emptyKeyIsRefused(t *testing.T, st store.Store) {
	for name, run := range map[string]func(store.Tx){
		"get": func(tx store.Tx) { getKey(tx, "") }, "put": func(tx store.Tx) { tx.Put("", nil) },
	} {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { run(tx); return nil }); err == nil {
			t.Errorf("%s of the empty key is accepted", name)
		}
	}
}

func endlessContention(t *testing.T, st store.Store) {
	runs := 0
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		runs++
		if _, err := tx.Get("a"); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		put(t, st, "a", "theirs") // another writer is faster in every attempt
		tx.Put("a", []byte("mine"))
		return nil
	})
	if !errors.Is(err, store.ErrConflict) || runs < 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if got := read(t, st, "a"); got != "theirs" {
		t.Errorf("got %q", got)
	}
}

// newest returns the revision that an update without writes has read.
func newest(t *testing.T, st store.Store) store.Revision {
	t.Helper()
	rev, err := st.Update(t.Context(), func(tx store.Tx) error {
		getKey(tx, "head")
		_, err := scanAll(tx, store.Range{Prefix: "none"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
