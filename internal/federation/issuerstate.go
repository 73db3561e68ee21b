package federation

import (
	"time"

	"midas/internal/clock"
)

// issuerState is what is known of an issuer whose keys are fetched. It does not change; each fetch makes a new one.
type issuerState struct {
	keys    *keySet // of the last fetch that succeeded; nil if none did
	fetched time.Time
	fresh   time.Duration

	tried    time.Time // the end of the last fetch
	failures int       // how many times the issuer has failed since the last fetch that succeeded
	failure  *IssuerError
}

// usable returns the keys, unless they are too old.
func (s *issuerState) usable(now time.Time) *keySet {
	if s.keys == nil || clock.Over(s.fetched, keptThroughOutage, now) {
		return nil
	}
	return s.keys
}

// mayFetch reports whether the pause after the last fetch is over.
func (s *issuerState) mayFetch(now time.Time) bool {
	pause := pauseAfter(s.failures)
	if s.failure != nil && s.failures == 0 { // errBusy
		pause = firstPause
	}
	return s.tried.IsZero() || clock.Over(s.tried, pause, now)
}

// need says whether an assertion needs the keys to be fetched first.
type need int

const (
	needNone  need = iota
	needLater      // the keys can be used, and are fetched again meanwhile
	needFirst      // the keys must be fetched first
)

// need is what an assertion with a key id needs.
func (s *issuerState) need(kid string, now time.Time) need {
	keys := s.usable(now)
	switch {
	case keys == nil || len(keys.find(kid)) == 0:
		return needFirst
	case clock.Over(s.fetched, s.fresh, now) && s.failure == nil:
		return needFirst
	case clock.Over(s.fetched, s.fresh-s.fresh/4, now):
		return needLater // before they are old, so that nobody waits; or during an outage
	}
	return needNone
}
