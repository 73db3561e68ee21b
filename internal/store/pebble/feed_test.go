package pebble_test

import (
	"errors"
	"testing"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestSlowConsumerGetsErrCompacted(t *testing.T) {
	big := make([]byte, 1<<20)
	few := func(tx store.Tx) { tx.Put("big", big) }
	many := func(tx store.Tx) {
		for i := range byte(100) {
			tx.Put(string([]byte{'k', i}), nil)
		}
	}
	for name, test := range map[string]struct {
		write func(store.Tx)
		times int
	}{
		"by bytes":   {few, 6},
		"by changes": {many, 200},
	} {
		t.Run(name, func(t *testing.T) {
			st := storetest.CloseAtEnd(t, store.New(cached(memory(t)), store.Options{}))
			update := func(fn func(store.Tx)) {
				if _, err := st.Update(t.Context(), func(tx store.Tx) error { fn(tx); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			update(few)
			seen := 0
			var last error
			for _, err := range st.Watch(t.Context(), "", 0) {
				if seen++; err != nil {
					last = err
					continue // the error must be the last
				}
				for range test.times {
					update(test.write)
				}
			}
			if seen != 2 || !errors.Is(last, store.ErrCompacted) {
				t.Errorf("%d changes, %v", seen-1, last)
			}
			for range st.Watch(t.Context(), "", store.Revision(test.times)) { // the feed still has the newest change
				break
			}
		})
	}
}

// The guards of a transaction that is older than the feed must be compared with the database.
func TestConflictIsFoundForATransactionOlderThanTheFeed(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			st := storetest.CloseAtEnd(t, store.New(kind.wrap(kind.open(t)), store.Options{}))
			big := make([]byte, 1<<20)
			runs := 0
			_, err := st.Update(t.Context(), func(tx store.Tx) error {
				if _, err := tx.Get("a"); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if _, err := tx.Get("quiet"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("get: %v", err)
				}
				if runs++; runs == 1 {
					for i := range byte(8) {
						_, err := st.Update(t.Context(), func(tx store.Tx) error {
							if i == 0 {
								tx.Put("a", nil)
							}
							tx.Put("big", big)
							return nil
						})
						if err != nil {
							return err
						}
					}
				}
				tx.Put("b", nil)
				return nil
			})
			if err != nil || runs != 2 {
				t.Errorf("%d runs, %v", runs, err)
			}
		})
	}
}

func TestOldTransactionWithoutConflictIsNotRunAgain(t *testing.T) {
	st := storetest.CloseAtEnd(t, store.New(memory(t), store.Options{}))
	runs := 0
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		runs++
		if _, err := tx.Get("a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		for range 6 {
			if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("big", make([]byte, 1<<20)); return nil }); err != nil {
				return err
			}
		}
		tx.Put("a", nil)
		return nil
	})
	if err != nil || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// The feed drops an old write of a key while it keeps a newer write of the same key.
func TestConflictIsFoundAfterTheFeedHasForgottenAnOlderWrite(t *testing.T) {
	st := storetest.CloseAtEnd(t, store.New(memory(t), store.Options{}))
	put := func(key string, bytes int) {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(key, make([]byte, bytes)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	put("a", 1<<20)
	put("b", 1<<20)
	put("b", 1<<20)
	runs := 0
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Get("a"); err != nil {
			return err
		}
		if runs++; runs == 1 {
			put("a", 1<<19)
			put("b", 1<<20) // now the feed has more than 4 MiB, and drops the oldest commits
		}
		tx.Put("c", nil)
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}
