package federation

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// issuerSource is one issuer whose keys are fetched. It is safe for concurrent use.
type issuerSource struct {
	issuer   string
	settings IssuerSettings // zero if the operator lists nothing for the issuer
	roots    *rootsFile     // nil: the system's certificate authorities

	state   atomic.Pointer[issuerState]
	used    atomic.Int64 // Unix time in seconds
	waiting atomic.Int64 // the callers that wait for a fetch

	mu     sync.Mutex
	flight chan struct{} // closed at the end of the fetch that runs now; nil if none runs
}

func newIssuerSource(issuer string) *issuerSource {
	s := &issuerSource{issuer: issuer}
	s.state.Store(&issuerState{})
	return s
}

// keys returns the keys for an assertion, and fetches them if that is needed. All callers wait for the same fetch.
func (s *issuerSource) keys(ctx context.Context, i *Issuers, kid string) (*keySet, *IssuerError) {
	var waited error
	if need := s.state.Load().need(kid, i.now()); need != needNone {
		done := s.refresh(i)
		if need == needFirst && done != nil {
			waited = i.wait(ctx, s, done)
		}
	}
	state := s.state.Load()
	keys := state.usable(i.now())
	if waited != nil && (keys == nil || len(keys.find(kid)) == 0 || ctx.Err() != nil) {
		return nil, &IssuerError{s.issuer, kid, Unreachable, waited}
	}
	if state.failure != nil && (keys == nil || len(keys.find(kid)) == 0) {
		return nil, &IssuerError{s.issuer, kid, state.failure.Reason, state.failure.Detail}
	}
	if keys == nil { // they became too old just now
		return nil, &IssuerError{s.issuer, kid, Unreachable, nil}
	}
	return keys, nil
}

// errCrowd means that a caller was not let wait.
var errCrowd = errors.New("too many other requests wait for the keys of issuers")

// wait waits for the end of a fetch. Everybody can present assertions again and again, so the number of those that wait
// is bounded.
func (i *Issuers) wait(ctx context.Context, s *issuerSource, done <-chan struct{}) error {
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaitingForOne {
		return errCrowd
	}
	select {
	case i.waiting <- struct{}{}:
		defer func() { <-i.waiting }()
	default:
		return errCrowd
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refresh starts a fetch, unless one runs, and returns what is closed at its end. It returns nil during the pause
// after a fetch.
func (s *issuerSource) refresh(i *Issuers) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	if !s.state.Load().mayFetch(i.now()) {
		return nil
	}
	done := make(chan struct{})
	s.flight = done
	// The fetch is not the caller's: others wait for it too, and a caller that leaves does not end it.
	go func() {
		got := i.fetch(s)
		if s.note(got, i.now()); got.err == nil {
			i.others.trim(i.now()) // there may be one more that was reached
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		close(done)
	}()
	return done
}

// note keeps the result of a fetch. After a failure the earlier keys stay.
func (s *issuerSource) note(got fetched, now time.Time) {
	next := *s.state.Load()
	next.tried, next.failure = now, got.err
	if got.err != nil && !errors.Is(got.err, errBusy) {
		next.failures++
	} else if got.err == nil {
		next.keys, next.fresh, next.fetched, next.failures = got.keys, got.fresh, now, 0
	}
	s.state.Store(&next)
}
