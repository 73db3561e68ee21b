package federation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// issuerSource is one issuer whose keys are fetched. It is safe for concurrent use.
type issuerSource struct {
	issuer   string
	settings IssuerSettings // zero if the operator lists nothing for the issuer
	roots    *rootsFile     // nil: the system's certificate authorities

	state atomic.Pointer[issuerState]
	used  atomic.Int64 // Unix time in seconds

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
	need := s.state.Load().need(kid, i.now())
	if need != needNone {
		done := s.refresh(i)
		if need == needFirst && done != nil {
			select {
			case <-done:
			case <-ctx.Done():
				return nil, &IssuerError{s.issuer, kid, Unreachable, ctx.Err()}
			}
		}
	}
	state := s.state.Load()
	keys := state.usable(i.now())
	if state.failure != nil && (keys == nil || len(keys.find(kid)) == 0) {
		return nil, &IssuerError{s.issuer, kid, state.failure.Reason, state.failure.Detail}
	}
	if keys == nil { // they became too old just now
		return nil, &IssuerError{s.issuer, kid, Unreachable, nil}
	}
	return keys, nil
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
		s.note(i.fetch(s), i.now())
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
	if got.err != nil {
		next.failures++
	} else {
		next.keys, next.fresh, next.fetched, next.failures = got.keys, got.fresh, now, 0
	}
	s.state.Store(&next)
}
