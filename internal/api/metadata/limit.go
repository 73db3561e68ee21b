package metadata

import (
	"sync"
	"time"
)

// Limit bounds the token requests of one host. Zero means no bound.
type Limit struct {
	PerSecond int
	AtOnce    int // requests that wait for the server at the same time
}

// IdentityLimit returns Azure's limit of token requests for each machine.
func IdentityLimit() Limit { return Limit{PerSecond: 20, AtOnce: 5} }

// limiter enforces a Limit. A burst may have PerSecond requests; after it, one more request is allowed in every
// 1/PerSecond of a second.
type limiter struct {
	Limit
	mu   sync.Mutex
	busy int
	free time.Time // when the requests so far would be over at the permitted rate
}

// pass counts a request. It reports false if the request exceeds PerSecond.
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

// enter counts a request that waits for the server, until leave. It reports false if the request exceeds AtOnce.
// Requests that are answered from memory do not wait and are not counted.
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
