package federation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"midas/internal/throttle"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestIssuerTableHasABoundAndAnEnd(t *testing.T) {
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	var table issuerTable
	find := func(name string, reached bool) *issuerSource {
		now = now.Add(time.Second)
		s := table.find(name, now)
		if reached {
			s.state.Store(&issuerState{keys: &keySet{}})
			table.trim(now)
		}
		return s
	}
	first := find("reached", true)
	for i := range 2 * maxUnreached {
		find(fmt.Sprint("stranger", i), false)
		if len(table.sources) > maxUnreached+1 {
			t.Fatalf("%d issuers", len(table.sources))
		}
	}
	if table.get("reached") != first {
		t.Error("issuers that were never reached have replaced one that was")
	}
	if table.get("stranger0") != nil || table.get(fmt.Sprint("stranger", 2*maxUnreached-1)) == nil {
		t.Error("the issuer that was used first is kept, or the one that was used last is not")
	}
	for i := range 2 * maxIssuers {
		find(fmt.Sprint("other", i), true)
	}
	if n := len(table.sources); n < maxUnreached || n > maxUnreached+maxIssuers || table.get("reached") != nil || table.get(fmt.Sprint("other", 2*maxIssuers-1)) == nil {
		t.Errorf("%d issuers; or the one that was used first is kept", len(table.sources))
	}
	// All that were never reached are reached at once.
	for _, s := range table.sources {
		s.state.Store(&issuerState{keys: &keySet{}})
	}
	if table.trim(now); len(table.sources) != maxIssuers {
		t.Errorf("%d issuers have keys", len(table.sources))
	}
	table.find("late", now.Add(idleIssuer+time.Hour))
	if len(table.sources) != 1 {
		t.Errorf("%d issuers after an idle day", len(table.sources))
	}
}

// Issuers wait for their turn behind those of their own class only, and not for ever.
func TestFetchesHavePlacesByClass(t *testing.T) {
	i, err := NewIssuers(IssuersConfig{Now: time.Now, Settings: []IssuerSettings{{Issuer: "https://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]*issuerState{
		"new": {}, "reached": {keys: &keySet{}}, "failing": {failures: 1}, "lost": {keys: &keySet{}, failures: 1},
	}
	for name, state := range classes {
		places := i.places[placesOf(state)]
		for range maxFetches {
			places <- struct{}{}
		}
		for other, state := range classes {
			s := newIssuerSource("https://127.0.0.1:1")
			s.state.Store(state)
			ctx, cancel := context.WithCancel(t.Context())
			if other == name {
				cancel()
			}
			if got := i.fetchInTurn(ctx, s); got.err == nil || errors.Is(got.err, errBusy) != (other == name) {
				t.Errorf("the places of %s are taken, %s: %v", name, other, got.err)
			}
			cancel()
		}
		if got := i.fetchInTurn(t.Context(), i.listed["https://127.0.0.1:1"].source); errors.Is(got.err, errBusy) {
			t.Error("an issuer that the operator lists waits for its turn")
		}
		for range maxFetches {
			<-places
		}
	}
}

// A turn that did not come is no failure of the issuer: it does not get into the class of failing issuers, and its next
// turn comes soon.
func TestFetchThatHadNoTurnIsNoFailureOfTheIssuer(t *testing.T) {
	now, s := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), newIssuerSource("https://127.0.0.1:1")
	s.note(fetched{err: &IssuerError{s.issuer, "", Unreachable, errBusy}}, now)
	state := s.state.Load()
	if placesOf(state) != 0 || state.failure == nil {
		t.Errorf("%+v", state)
	}
	if state.mayFetch(now.Add(firstPause-time.Second)) || !state.mayFetch(now.Add(firstPause)) {
		t.Error("the pause is not the first one")
	}
}

// A panic while a document is read fails the fetch. The callers and the process go on.
func TestPanicFailsTheFetch(t *testing.T) {
	var out bytes.Buffer
	i, err := NewIssuers(IssuersConfig{Now: time.Now, Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	i.client = nil // any panic
	s := i.others.find("https://issuer.example", time.Now())
	if _, err := s.keys(t.Context(), i, "k1"); err == nil || err.Reason != Document || err.Cause() != errPanic.Error() {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "stack=") {
		t.Errorf("the log has no stack: %s", out.String())
	}
}

func TestCallersThatWaitAreBounded(t *testing.T) {
	i, err := NewIssuers(IssuersConfig{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	crowded, other := newIssuerSource("a"), newIssuerSource("b")
	flight := make(chan struct{})
	var all sync.WaitGroup
	for range maxWaitingForOne {
		all.Go(func() {
			if err := i.wait(t.Context(), crowded, flight); err != nil {
				t.Error(err)
			}
		})
	}
	for crowded.waiting.Load() != maxWaitingForOne || len(i.waiting) != maxWaitingForOne {
		runtime.Gosched()
	}
	if err := i.wait(t.Context(), crowded, flight); !errors.Is(err, errCrowd) {
		t.Errorf("one more: %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := i.wait(left, other, flight); errors.Is(err, errCrowd) {
		t.Error("callers of one issuer take the places of another's")
	}
	close(flight)
	all.Wait()
	if crowded.waiting.Load() != 0 || len(i.waiting) != 0 {
		t.Error("a place was not given back")
	}
	for range maxWaiting {
		i.waiting <- struct{}{}
	}
	if err := i.wait(t.Context(), other, make(chan struct{})); !errors.Is(err, errCrowd) {
		t.Errorf("all places are taken: %v", err)
	}
	// Keys that can be used are used, also by those that are not let wait for newer ones.
	now := time.Now()
	old := &keySet{keys: []issuerKey{{kid: "k1"}}}
	other.state.Store(&issuerState{keys: old, fetched: now.Add(-2 * time.Hour), fresh: time.Hour, tried: now.Add(-2 * time.Hour)})
	if got, err := other.keys(t.Context(), i, "k1"); got != old || err != nil {
		t.Errorf("a known key: %v, %v", got, err)
	}
}

func TestFailedFetchesHaveABoundedNumberOfLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	issuers := &Issuers{log: slog.New(slog.NewTextHandler(&out, nil)), failures: throttle.Lines{Max: maxFailureLines}}
	failed := &IssuerError{"https://issuer.example", "", Unreachable, errBusy}
	for range 500 {
		issuers.noteFailure(t.Context(), now, failed)
	}
	if n := strings.Count(out.String(), "\n"); n != maxFailureLines {
		t.Errorf("%d lines in a second", n)
	}
	issuers.noteFailure(t.Context(), now.Add(time.Second), failed)
	if !strings.Contains(out.String(), fmt.Sprint("not_logged=", 500-maxFailureLines)) {
		t.Errorf("the next line does not say how many had none: %s", out.String())
	}
}
