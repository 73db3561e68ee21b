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

// pass counts a request. It reports whether there is a place for it in this second.
func (l *limiter) pass(now time.Time) bool {
	if l.PerSecond == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	share := time.Second / time.Duration(l.PerSecond)
	if l.free.Before(now) || l.free.Sub(now) > time.Second { // the latter if the clock was set back
		l.free = now
	}
	if l.free.Add(share).Sub(now) > time.Second {
		return false
	}
	l.free = l.free.Add(share)
	return true
}

// enter takes one of the places for requests that wait, which leave gives back. It reports whether
// there was one. What is answered from memory waits for nothing and takes none.
func (l *limiter) enter() bool {
	if l.AtOnce == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy >= l.AtOnce {
		return false
	}
	l.busy++
	return true
}

func (l *limiter) leave() {
	if l.AtOnce == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
}
