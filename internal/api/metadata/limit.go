package metadata

import (
	"sync"
	"time"
)

// Limit bounds the requests of one host. Zero means no bound.
type Limit struct {
	PerSecond int
	AtOnce    int
}

// IdentityLimit is Azure's, per machine, for tokens.
func IdentityLimit() Limit { return Limit{PerSecond: 20, AtOnce: 5} }

// limiter enforces a Limit: a second's worth of requests at any time, and then one whenever its share
// of a second is over.
type limiter struct {
	Limit
	mu   sync.Mutex
	busy int
	free time.Time // when the requests so far would be worked off at the permitted pace
}

// enter takes a place, which leave gives back. It reports whether there was one.
func (l *limiter) enter(now time.Time) bool {
	if l.Limit == (Limit{}) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.AtOnce > 0 && l.busy >= l.AtOnce {
		return false
	}
	if l.PerSecond > 0 {
		share := time.Second / time.Duration(l.PerSecond)
		if l.free.Before(now) {
			l.free = now
		}
		if l.free.Add(share).Sub(now) > time.Second {
			return false
		}
		l.free = l.free.Add(share)
	}
	l.busy++
	return true
}

func (l *limiter) leave() {
	if l.Limit == (Limit{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
}
