package login

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"midas/internal/arm"
)

// The limits of a Throttle that is not told others.
const (
	DefaultBurst   = 20
	DefaultRefill  = 3 * time.Second
	DefaultGuesses = 10_000
)

// Throttle bounds how often a client may show a wrong secret: so many times at once, and then one
// more each Refill. The zero value is ready. It is safe for concurrent use, and not to be copied.
//
// Who guesses is known by tenant, application and address. Without the address, anybody could lock
// an application out by guessing at it; with it, guessing from many addresses stays possible, and
// is hopeless against the length that secrets must have.
type Throttle struct {
	Burst  int           // 0 means DefaultBurst
	Refill time.Duration // 0 means DefaultRefill
	Limit  int           // at most so many guessers are remembered; 0 means DefaultGuesses

	mu sync.Mutex
	// spent says until when a guesser pays for its guesses: each one moves that moment by Refill,
	// and it may be as far ahead as Burst of them reach.
	spent map[Guess]time.Time
}

// Guess is who guesses at what.
type Guess struct {
	Tenant, App, Client string
}

// NewGuess names a guesser. Of an IPv6 address only the network counts, because whoever has one
// address has all of its network.
func NewGuess(tenant, app, address string) Guess {
	g := Guess{Tenant: arm.Fold(tenant), App: arm.Fold(app), Client: address}
	if ip, err := netip.ParseAddr(address); err == nil && ip.Unmap().Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			g.Client = network.String()
		}
	}
	return g
}

// withDefaults sets limits that nobody has set.
func (t *Throttle) withDefaults(burst int, refill time.Duration) *Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Burst, t.Refill = or(t.Burst, burst), or(t.Refill, refill)
	return t
}

// Wait is how long a guesser has to wait for its next try; 0 when it may try now.
func (t *Throttle) Wait(g Guess, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait(g, now)
}

// Failed counts a wrong secret.
func (t *Throttle) Failed(g Guess, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed(g, now)
}

// Try is Wait, and where that is 0 it counts the try as Failed before it was made, so that many at
// once are not more than the limit. Forgive takes it back.
func (t *Throttle) Try(g Guess, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.wait(g, now)
	if wait == 0 {
		t.failed(g, now)
	}
	return wait
}

// Forgive takes back what Try has counted.
func (t *Throttle) Forgive(g Guess) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until, known := t.spent[g]; known {
		t.spent[g] = until.Add(-or(t.Refill, DefaultRefill))
	}
}

func (t *Throttle) wait(g Guess, now time.Time) time.Duration {
	until, ok := t.spent[g]
	if !ok {
		return 0
	}
	room := time.Duration(or(t.Burst, DefaultBurst)-1) * or(t.Refill, DefaultRefill)
	return max(0, until.Sub(now)-room)
}

func (t *Throttle) failed(g Guess, now time.Time) {
	until, known := t.spent[g]
	if !known && len(t.spent) >= or(t.Limit, DefaultGuesses) {
		t.makeRoom(now)
	}
	if until.Before(now) {
		until = now
	}
	if t.spent == nil {
		t.spent = make(map[Guess]time.Time)
	}
	t.spent[g] = until.Add(or(t.Refill, DefaultRefill))
}

// makeRoom forgets who has paid, or else the one who is nearest to it: the guesser that has guessed
// least.
func (t *Throttle) makeRoom(now time.Time) {
	var next Guess
	nearest := time.Duration(math.MaxInt64)
	for g, until := range t.spent {
		left := until.Sub(now)
		if left <= 0 {
			delete(t.spent, g)
		}
		if left < nearest {
			next, nearest = g, left
		}
	}
	delete(t.spent, next)
}

// or is v, or what stands for zero.
func or[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}
