package store

import (
	"context"
	"errors"

	"midas/internal/trace"
)

// Traced returns a Store whose transactions are spans: store.view, store.recent and store.update, with the number of
// attempts. Without a span in the context, or if traces are off, a transaction costs one lookup in the context more.
func Traced(s Store) Store { return traced{s} }

type traced struct{ Store }

// View implements Store.
func (s traced) View(ctx context.Context, fn func(Tx) error) error {
	ctx, span := trace.Start(ctx, "store.view")
	if span == nil {
		return s.Store.View(ctx, fn)
	}
	defer span.End()
	return conclude(span, func(count func(Tx) error) error { return s.Store.View(ctx, count) }, fn)
}

// Recent implements Store.
func (s traced) Recent(ctx context.Context, fn func(Tx) error) error {
	ctx, span := trace.Start(ctx, "store.recent")
	if span == nil {
		return s.Store.Recent(ctx, fn)
	}
	defer span.End()
	return conclude(span, func(count func(Tx) error) error { return s.Store.Recent(ctx, count) }, fn)
}

// Update implements Store.
func (s traced) Update(ctx context.Context, fn func(Tx) error) (rev Revision, err error) {
	ctx, span := trace.Start(ctx, "store.update")
	if span == nil {
		return s.Store.Update(ctx, fn)
	}
	defer span.End()
	err = conclude(span, func(count func(Tx) error) (err error) {
		rev, err = s.Store.Update(ctx, count)
		return err
	}, fn)
	return rev, err
}

// conclude runs a transaction and records how many attempts it took, and why it failed.
func conclude(span *trace.Span, run func(func(Tx) error) error, fn func(Tx) error) error {
	attempts := 0
	err := run(func(tx Tx) error {
		attempts++
		return fn(tx)
	})
	span.Set(trace.Int("midas.store.attempts", attempts))
	span.Fail(reasonOf(err))
	return err
}

// reasonOf names an error of the store for a span. Other errors are those of a transaction's function, such as a missing
// right: the store has not failed.
func reasonOf(err error) string {
	for _, known := range [...]struct {
		err    error
		reason string
	}{
		{ErrOutdated, "outdated"}, {ErrUnavailable, "unavailable"}, {ErrConflict, "conflict"}, {ErrTooLarge, "too_large"}, {ErrClosed, "closed"},
		{context.DeadlineExceeded, "timeout"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return ""
}
