package storetest_test

import (
	"errors"
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestMemoryIsAWorkingStore(t *testing.T) {
	st := storetest.Memory(t)
	if _, err := st.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get("a"); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		tx.Put("a", []byte("1"))
		tx.Put("b", []byte("2"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var got string
	err := st.View(t.Context(), func(tx store.Tx) error {
		got = ""
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			got += rec.Key + string(rec.Value)
		}
		return nil
	})
	if err != nil || got != "a1b2" {
		t.Fatalf("got %q, %v", got, err)
	}
}
