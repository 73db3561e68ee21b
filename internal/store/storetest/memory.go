// Package storetest has helpers for tests that need a store, and the conformance suite of stores.
//
// Memory returns a store for the tests of other packages. Run is the conformance suite; every engine passes
// it, with and without a cache.
package storetest

import (
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// Memory returns an empty store in memory, with the same cache as in production. It is closed when the test
// ends.
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
