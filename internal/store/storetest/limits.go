package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"midas/internal/store"
)

func limits(t *testing.T, st store.Store) {
	long := strings.Repeat("k", store.MaxKey+1)
	keys := func(n int, use func(tx store.Tx, key string)) func(store.Tx) {
		return func(tx store.Tx) {
			for i := range n {
				use(tx, fmt.Sprintf("key-%04d", i))
			}
		}
	}
	getAndPut := func(tx store.Tx, key string) { _, _ = tx.Get(key); tx.Put(key, []byte("1")) }
	get := func(tx store.Tx, key string) { _, _ = tx.Get(key) }
	remove := func(tx store.Tx, key string) { tx.Delete(key) }
	fillWith := func(last int) func(store.Tx) {
		return func(tx store.Tx) { // a megabyte and the rest; both keys count, too
			tx.Put("x", make([]byte, store.MaxValue))
			tx.Put("y", make([]byte, last))
		}
	}
	rest := store.MaxTransaction - store.MaxValue - len("xy")
	for _, test := range []struct {
		name string
		run  func(store.Tx)
		fits bool
	}{
		{"largest key", func(tx store.Tx) { tx.Put(long[1:], nil) }, true},
		{"larger key", func(tx store.Tx) { tx.Put(long, nil) }, false},
		{"larger key deleted", func(tx store.Tx) { tx.Delete(long) }, false},
		{"larger key got", func(tx store.Tx) { _, _ = tx.Get(long) }, false},
		{"largest value", func(tx store.Tx) { tx.Put("v", make([]byte, store.MaxValue)) }, true},
		{"larger value", func(tx store.Tx) { tx.Put("v", make([]byte, store.MaxValue+1)) }, false},
		{"largest transaction", fillWith(rest), true},
		{"larger transaction", fillWith(rest + 1), false},
		{"overwritten puts count once", func(tx store.Tx) { fillWith(rest)(tx); fillWith(rest)(tx) }, true},
		{"most operations", keys(store.MaxOperations, getAndPut), true},
		{"more gets and puts", keys(store.MaxOperations+1, getAndPut), false},
		{"more gets", keys(store.MaxOperations+1, get), false},
		{"more deletes", keys(store.MaxOperations+1, remove), false},
	} {
		before := put(t, st, "head", "")
		rev, err := st.Update(t.Context(), func(tx store.Tx) error {
			test.run(tx)
			return nil
		})
		if test.fits && (err != nil || rev != before+1) {
			t.Errorf("%s: revision %d after %d, %v", test.name, rev, before, err)
		}
		if !test.fits && (!errors.Is(err, store.ErrTooLarge) || put(t, st, "head", "") != before+1) {
			t.Errorf("%s: want ErrTooLarge and nothing written, got %v", test.name, err)
		}
	}
	for name, run := range map[string]func(store.Tx){
		"get": func(tx store.Tx) { _, _ = tx.Get("") }, "put": func(tx store.Tx) { tx.Put("", nil) },
	} {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { run(tx); return nil }); err == nil {
			t.Errorf("%s of the empty key is accepted", name)
		}
	}
	manyGets := func(tx store.Tx) error { keys(3*store.MaxOperations, get)(tx); return nil }
	if err := st.View(t.Context(), manyGets); err != nil {
		t.Errorf("a view may get as much as it likes: %v", err)
	}
}

func endlessContention(t *testing.T, st store.Store) {
	runs := 0
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		runs++
		if _, err := tx.Get("a"); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		put(t, st, "a", "theirs") // somebody else is always faster
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
