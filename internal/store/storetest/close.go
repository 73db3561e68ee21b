package storetest

import (
	"testing"

	"midas/internal/store"
)

// CloseAtEnd closes a store when t ends, and returns it.
func CloseAtEnd(t testing.TB, st store.Store) store.Store {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return st
}
