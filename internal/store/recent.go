package store

import (
	"context"
	"errors"
)

// freshKey is the key of a context in which every read is fresh.
type freshKey struct{}

// Fresh returns a context in which Recent is View. A caller that refuses something because of what several Recents have
// shown reads again in this context before it refuses: another replica may have written what was missing a moment ago.
func Fresh(ctx context.Context) context.Context {
	return context.WithValue(ctx, freshKey{}, true)
}

// IsFresh reports whether a context comes from Fresh. Stores that wrap others ask it.
func IsFresh(ctx context.Context) bool {
	fresh, _ := ctx.Value(freshKey{}).(bool)
	return fresh
}

// Recent implements Store. An error of fn is a refusal, such as an unknown client or a missing right, and no refusal
// rests on what this replica has not heard of yet. So fn runs again on a fresh revision. The question for the newest
// revision is one for all that wait for it, so that a flood of refusals costs the database at most one question at a
// time.
func (s *transactional) Recent(ctx context.Context, fn func(Tx) error) error {
	if s.recent == nil || IsFresh(ctx) {
		return s.View(ctx, fn)
	}
	err := s.read(ctx, s.recent, fn)
	if err == nil || ctx.Err() != nil || isFailure(err) {
		return err
	}
	return s.read(ctx, s.fresh, fn)
}

// isFailure reports whether an error is one of the store, and not a refusal.
func isFailure(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict) || errors.Is(err, ErrClosed)
}
