package storetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

func putIsReadBack(t *testing.T, st store.Store) {
	keys := []string{"a", "a/b", "\x00", "\xff\xff", "ключ", "with\x00zero", strings.Repeat("k", store.MaxKey)}
	for _, key := range keys {
		if got := read(t, st, key); got != "" {
			t.Errorf("%.20q before it is put: %q", key, got)
		}
		for _, value := range []string{"one", "", "two\x00\xff"} {
			rev := put(t, st, key, value)
			var got store.Record
			err := st.View(t.Context(), func(tx store.Tx) (err error) {
				got, err = tx.Get(key)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Key != key || string(got.Value) != value || got.Revision != rev {
				t.Errorf("%.20q: got %+v, want value %q of revision %d", key, got, value, rev)
			}
		}
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Delete(key); return nil }); err != nil {
			t.Fatal(err)
		}
		if got := read(t, st, key); got != "" {
			t.Errorf("%.20q after it is deleted: %q", key, got)
		}
	}
}

func ownWrites(t *testing.T, st store.Store) {
	put(t, st, "old", "1")
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("new", []byte("2"))
		tx.Delete("old")
		if got, err := valueOf(tx, "new"); got != "2" || err != nil {
			t.Errorf("get of an own put: %q, %v", got, err)
		}
		if _, err := tx.Get("old"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("get of an own delete: %v", err)
		}
		tx.Put("old", []byte("3"))
		if got, _ := valueOf(tx, "old"); got != "3" {
			t.Errorf("get of the last of two own writes: %q", got)
		}
		tx.Delete("new")
		records, err := scanAll(tx, store.Range{})
		if err != nil || len(records) != 1 || string(records[0].Value) != "1" {
			t.Errorf("a scan must not show the transaction's own writes: %v, %v", records, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, st, "old") + read(t, st, "new"); got != "3" {
		t.Errorf("after the commit: %q", got)
	}
}

func errorOfFn(t *testing.T, st store.Store) {
	mine := errors.New("mine")
	rev := put(t, st, "a", "1")
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", []byte("2")); return mine }); err != mine {
		t.Errorf("update: %v", err)
	}
	if err := st.View(t.Context(), func(store.Tx) error { return mine }); err != mine {
		t.Errorf("view: %v", err)
	}
	if got := read(t, st, "a"); got != "1" {
		t.Errorf("the failed update has written %q", got)
	}
	if next := put(t, st, "a", "3"); next <= rev {
		t.Errorf("revision %d follows %d", next, rev)
	}
}

func panicOfFn(t *testing.T, st store.Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Update did not pass the panic on")
			}
		}()
		_, _ = st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", nil); panic("boom") })
	}()
	if rev := put(t, st, "b", "1"); rev == 0 {
		t.Error("the first commit after the panic has no revision")
	}
	if got := read(t, st, "a"); got != "" {
		t.Errorf("the update that panicked has written %q", got)
	}
	if err := st.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func updateWithoutWrites(t *testing.T, st store.Store) {
	rev := put(t, st, "a", "1")
	got, err := st.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Get("a"); return err })
	if err != nil || got != rev {
		t.Errorf("got revision %d, %v; want %d", got, err, rev)
	}
	if next := put(t, st, "a", "2"); next <= rev {
		t.Errorf("revision %d follows %d", next, rev)
	}
}

func putCopies(t *testing.T, st store.Store) {
	value := []byte("before")
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("a", value)
		copy(value, "after!")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for change, err := range st.Watch(t.Context(), "", 0) {
		if err != nil || string(change.Value) != "before" {
			t.Errorf("the feed shows %q, %v", change.Value, err)
		}
		break
	}
	if got := read(t, st, "a"); got != "before" {
		t.Errorf("got %q", got)
	}
}

func viewCannotWrite(t *testing.T, st store.Store) {
	put(t, st, "a", "1")
	for name, write := range map[string]func(store.Tx){
		"put":    func(tx store.Tx) { tx.Put("a", []byte("2")) },
		"delete": func(tx store.Tx) { tx.Delete("a") },
	} {
		err := st.View(t.Context(), func(tx store.Tx) error { write(tx); return nil })
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := read(t, st, "a"); got != "1" {
		t.Errorf("a view has written %q", got)
	}
}

func nesting(t *testing.T, st store.Store) {
	var got []string
	err := st.View(t.Context(), func(outer store.Tx) error {
		before, err := valueOf(outer, "a")
		if err != nil {
			return err
		}
		put(t, st, "a", "1")
		again, err := valueOf(outer, "a")
		got = []string{before, again, read(t, st, "a")}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"", "", "1"}, got); diff != "" {
		// If the view has run again, all three are the new value.
		if diff := cmp.Diff([]string{"1", "1", "1"}, got); diff != "" {
			t.Errorf("the outer view twice, then a view inside of it (-want +got):\n%s", diff)
		}
	}
}

func closedStore(t *testing.T, st store.Store) {
	put(t, st, "a", "1")
	for range 2 {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	nothing := func(store.Tx) error { t.Error("fn runs on a closed store"); return nil }
	if err := st.View(t.Context(), nothing); !errors.Is(err, store.ErrClosed) {
		t.Errorf("view: %v", err)
	}
	if _, err := st.Update(t.Context(), nothing); !errors.Is(err, store.ErrClosed) {
		t.Errorf("update: %v", err)
	}
	yielded := 0
	for _, err := range st.Watch(t.Context(), "", 0) {
		if yielded++; !errors.Is(err, store.ErrClosed) {
			t.Errorf("watch: %v", err)
		}
	}
	if yielded != 1 {
		t.Errorf("watch yields %d times", yielded)
	}
}

func closeWaits(t *testing.T, st store.Store) {
	inside, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-inside
		closed <- st.Close()
	}()
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		close(inside)
		for !errors.Is(st.View(t.Context(), func(store.Tx) error { return nil }), store.ErrClosed) {
			runtime.Gosched() // until Close has begun
		}
		select {
		case <-closed:
			t.Error("Close returned while a transaction was running")
		default:
		}
		tx.Put("a", []byte("1"))
		return nil
	})
	if err != nil {
		t.Errorf("the running update: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}

func cancelled(t *testing.T, st store.Store) {
	for i := range 300 {
		put(t, st, strings.Repeat("s", i+1), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := st.View(ctx, func(tx store.Tx) error {
		seen := 0
		for _, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if seen++; seen == 1 {
				cancel()
			}
		}
		return errors.New("the scan went on to its end")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a scan: %v", err)
	}
	nothing := func(tx store.Tx) error { t.Error("fn runs"); tx.Put("a", nil); return nil }
	if err := st.View(ctx, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	if _, err := st.Update(ctx, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("update: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	_, err = st.Update(ctx, func(tx store.Tx) error { tx.Put("a", []byte("1")); cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("update that is cancelled before its commit: %v", err)
	}
	if got := read(t, st, "a"); got != "" {
		t.Errorf("a cancelled update has written %q", got)
	}
}
