// Package storetest helps to test what stands on a store, and stores themselves.
//
// Memory gives the tests of other packages a store to work with. Run is the one suite that says what
// a store must do; every engine passes it, bare and below a cache.
package storetest

import (
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// Memory returns an empty store as production wires it, cache included, but in memory. It is closed
// when the test ends.
func Memory(t testing.TB) store.Store {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatalf("open a store in memory: %v", err)
	}
	st := store.New(store.Cached(engine, 4<<20), store.Options{})
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return st
}
