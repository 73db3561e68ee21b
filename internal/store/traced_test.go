package store_test

import (
	"context"
	"log/slog"
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/trace"
	"midas/internal/trace/tracetest"
)

func memory(t *testing.T) store.Store {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(store.Cached(engine, 1<<20), store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func TestTransactionsAreSpans(t *testing.T) {
	collector, st := tracetest.New(t), store.Traced(memory(t))
	tracer, err := trace.New(trace.Config{Endpoint: collector.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := tracer.Serve(t.Context(), trace.TraceID{1}, nil, false)
	contended := false
	if _, err := st.Update(ctx, func(tx store.Tx) error {
		_, _ = tx.Get("key")
		tx.Put("key", []byte("secret value"))
		if contended {
			return nil
		}
		contended = true
		_, err := st.Update(context.Background(), func(tx store.Tx) error { // another writer
			tx.Put("key", nil)
			return nil
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, read := range []func(context.Context, func(store.Tx) error) error{st.View, st.Recent} {
		if err := read(ctx, func(tx store.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	root.End()
	_ = tracer.Close()
	update := collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "store.update" })
	commits := 0
	for _, s := range collector.Spans() {
		if s.Name == "store.commit" && s.Parent == update.ID {
			commits++
			if (s.Attrs["error.type"] == "conflict") != s.Failed {
				t.Errorf("%+v", s)
			}
		}
	}
	if commits != 2 || update.Attrs["midas.store.attempts"] != int64(2) || update.Failed || len(collector.Spans()) != 6 {
		t.Errorf("%d commits, %+v", commits, collector.Spans())
	}
}

// A transaction that is not traced allocates as much as without Traced.
func TestUntracedTransactionsAllocateNothingMore(t *testing.T) {
	plain := memory(t)
	if _, err := plain.Update(t.Context(), func(tx store.Tx) error { tx.Put("key", []byte("v")); return nil }); err != nil {
		t.Fatal(err)
	}
	get := func(tx store.Tx) error {
		_, err := tx.Get("key")
		return err
	}
	for name, run := range map[string]func(store.Store){
		"view":   func(st store.Store) { _ = st.View(t.Context(), get) },
		"recent": func(st store.Store) { _ = st.Recent(t.Context(), get) },
	} {
		traced := store.Traced(plain)
		a, b := testing.AllocsPerRun(200, func() { run(plain) }), testing.AllocsPerRun(200, func() { run(traced) })
		if a != b {
			t.Errorf("%s: %v allocations, and %v with Traced", name, a, b)
		}
	}
}

func BenchmarkTracedView(b *testing.B) {
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	plain := store.New(store.Cached(engine, 1<<20), store.Options{})
	defer plain.Close()
	if _, err := plain.Update(b.Context(), func(tx store.Tx) error { tx.Put("key", []byte("v")); return nil }); err != nil {
		b.Fatal(err)
	}
	for name, st := range map[string]store.Store{"plain": plain, "traced": store.Traced(plain)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				_ = st.View(ctx, func(tx store.Tx) error { _, err := tx.Get("key"); return err })
			}
		})
	}
}
