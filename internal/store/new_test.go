package store_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

// script is an engine without a database: it has one key, and its functions decide the results.
type script struct {
	attempts []int
	commits  []store.Commit
	commit   func() (store.Revision, error)
	get      func(attempt int) (store.Record, error)
	closed   bool
}

func (s *script) Snapshot(_ context.Context, attempt int) (store.Snapshot, error) {
	s.attempts = append(s.attempts, attempt)
	return scriptSnapshot{s, attempt}, nil
}

func (s *script) Commit(_ context.Context, c store.Commit) (store.Revision, error) {
	s.commits = append(s.commits, c)
	return s.commit()
}

func (s *script) Watch(context.Context, string, store.Revision) iter.Seq2[store.Change, error] {
	return func(func(store.Change, error) bool) {}
}

func (s *script) Close() error { s.closed = true; return nil }

type scriptSnapshot struct {
	*script
	attempt int
}

func (s scriptSnapshot) Revision() store.Revision { return 7 }

func (s scriptSnapshot) Get(_ context.Context, key string) (store.Record, error) {
	if s.get == nil {
		return store.Record{}, store.ErrNotFound
	}
	return s.get(s.attempt)
}

func (s scriptSnapshot) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		rec, err := s.Get(ctx, r.Prefix)
		yield(rec, err)
	}
}

func (s scriptSnapshot) Settle(context.Context) error { return nil }
func (s scriptSnapshot) Close()                       {}

func getAndPut(tx store.Tx) error {
	if _, err := tx.Get("a"); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	tx.Put("a", []byte("1"))
	return nil
}

func TestConflictsAreRetriedWithPausesUntilAttemptsAreExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &script{commit: func() (store.Revision, error) { return 0, store.ErrConflict }}
		st := store.New(engine, store.Options{Attempts: 60})
		begin := time.Now()
		_, err := st.Update(t.Context(), getAndPut)
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("got %v", err)
		}
		want := make([]int, 60)
		for i := range want {
			want[i] = i
		}
		if diff := cmp.Diff(want, engine.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		// In a lane, there are no pauses at first. Then they are random below 50 us, 100 us, ... 16 ms.
		if took := time.Since(begin); took == 0 || took > 100*time.Millisecond {
			t.Errorf("the pauses add up to %v", took)
		}
	})
}

func TestPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		engine := &script{commit: func() (store.Revision, error) { return 0, store.ErrConflict }}
		begin := time.Now()
		_, err := store.New(engine, store.Options{Attempts: 1000}).Update(ctx, getAndPut)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 5*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

func TestUpdateCommitsGuardsAndWritesInKeyOrder(t *testing.T) {
	engine := &script{
		commit: func() (store.Revision, error) { return 8, nil },
		get:    func(int) (store.Record, error) { return store.Record{Revision: 5}, nil },
	}
	rev, err := store.New(engine, store.Options{}).Update(t.Context(), func(tx store.Tx) error {
		tx.Put("z", []byte("1"))
		tx.Delete("own") // not guarded, because it was written before the get
		for _, key := range []string{"own", "m", "b"} {
			if _, err := tx.Get(key); err != nil && key != "own" {
				return err
			}
		}
		for range tx.Scan(store.Range{Prefix: "unguarded"}) {
		}
		tx.Put("b", []byte("2"))
		return nil
	})
	if err != nil || rev != 8 {
		t.Errorf("revision %d, %v", rev, err)
	}
	want := []store.Commit{{
		At:     7,
		Guards: []store.Guard{{Key: "b", Revision: 5}, {Key: "m", Revision: 5}},
		Writes: []store.Write{{Key: "b", Value: []byte("2")}, {Key: "own", Delete: true}, {Key: "z", Value: []byte("1")}},
	}}
	if diff := cmp.Diff(want, engine.commits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOutdatedSnapshotIsNeverReturned(t *testing.T) {
	for name, read := range map[string]func(store.Tx) error{
		"get": func(tx store.Tx) error { _, err := tx.Get("a"); return err },
		"scan": func(tx store.Tx) error {
			for _, err := range tx.Scan(store.Range{Prefix: "a"}) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &script{
				commit: func() (store.Revision, error) { return 8, nil },
				get: func(attempt int) (store.Record, error) {
					if attempt < 3 {
						return store.Record{}, store.ErrStale
					}
					return store.Record{Value: []byte("x")}, nil
				},
			}
			st := store.New(engine, store.Options{})
			if err := st.View(t.Context(), read); err != nil {
				t.Errorf("view: %v", err)
			}
			// Update also runs again if the function replaces the error.
			runs := 0
			_, err := st.Update(t.Context(), func(tx store.Tx) error {
				runs++
				if read(tx) != nil {
					tx.Put("fallback", nil)
				}
				return nil
			})
			if err != nil || runs != 4 || len(engine.commits) != 0 {
				t.Errorf("update: %d runs, %d commits, %v", runs, len(engine.commits), err)
			}
		})
	}
}

func TestConflictOfANestedTransactionIsNotRetried(t *testing.T) {
	engine := &script{commit: func() (store.Revision, error) { return 0, store.ErrConflict }}
	st := store.New(engine, store.Options{Attempts: 2})
	runs := 0
	_, err := st.Update(t.Context(), func(store.Tx) error {
		runs++
		_, err := st.Update(t.Context(), getAndPut)
		return err
	})
	if !errors.Is(err, store.ErrConflict) || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestUnknownEngineErrorIsNotRetried(t *testing.T) {
	broken := errors.New("broken")
	engine := &script{commit: func() (store.Revision, error) { return 0, broken }}
	st := store.New(engine, store.Options{})
	if _, err := st.Update(t.Context(), getAndPut); !errors.Is(err, broken) || len(engine.commits) != 1 {
		t.Errorf("%d commits, %v", len(engine.commits), err)
	}
	engine.get = func(int) (store.Record, error) { return store.Record{}, broken }
	err := st.View(t.Context(), func(tx store.Tx) error { _, err := tx.Get("a"); return err })
	if !errors.Is(err, broken) {
		t.Errorf("view: %v", err)
	}
	if err := st.Close(); err != nil || !engine.closed {
		t.Errorf("close: %v", err)
	}
}

func TestTransactionReturnsErrorsAfterItsEnd(t *testing.T) {
	engine := &script{commit: func() (store.Revision, error) { return 8, nil }}
	var leaked store.Tx
	err := store.New(engine, store.Options{}).View(t.Context(), func(tx store.Tx) error { leaked = tx; return nil })
	if err != nil {
		t.Fatal(err)
	}
	leaked.Put("a", nil)
	if _, err := leaked.Get("a"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	for _, err := range leaked.Scan(store.Range{}) {
		if err == nil {
			t.Error("a scan after the end yields a record")
		}
	}
}

func TestDumpStopsWhenItsRevisionIsLostOrItsWriterFails(t *testing.T) {
	lost := &script{get: func(attempt int) (store.Record, error) {
		if attempt == 0 {
			return store.Record{}, store.ErrStale
		}
		return store.Record{Key: "a", Value: []byte("1"), Revision: 3}, nil
	}}
	if err := store.Dump(t.Context(), store.New(lost, store.Options{}), io.Discard); err == nil {
		t.Error("the lost revision is not reported")
	}
	full := &script{get: func(int) (store.Record, error) { return store.Record{Key: "a"}, nil }}
	if err := store.Dump(t.Context(), store.New(full, store.Options{}), failingWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("the failing writer: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
