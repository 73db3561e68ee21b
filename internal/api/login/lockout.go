package login

import (
	"sync"
	"time"
)

// The limits of a Lockout that is not told others.
const (
	lockoutBurst  = 10
	lockoutRefill = 6 * time.Second
	accountBurst  = 100
	accountRefill = 10 * time.Second
)

// Lockout bounds how often passwords may be guessed: for one user from one address, and for one user
// from everywhere, so that who has many addresses guesses no faster. From an address from which the
// user has signed in before, only the first counts: nobody locks a user out of their own machine by
// guessing from elsewhere. The zero value is ready. It is safe for concurrent use, and not to be
// copied.
type Lockout struct {
	Here       Throttle // by user and address
	Everywhere Throttle // by user

	mu       sync.Mutex
	familiar map[Guess]struct{}
}

// Try counts a try before it is made, and gives 0; or it gives how long the guesser has to wait.
func (l *Lockout) Try(g Guess, now time.Time) time.Duration {
	if wait := l.here().Try(g, now); wait > 0 {
		return wait
	}
	if l.isFamiliar(g) {
		return 0
	}
	wait := l.everywhere().Try(everywhere(g), now)
	if wait > 0 {
		l.Here.Forgive(g)
	}
	return wait
}

// Forgive takes back a try that did not fail, or that told the guesser nothing.
func (l *Lockout) Forgive(g Guess) {
	l.Here.Forgive(g)
	if !l.isFamiliar(g) {
		l.Everywhere.Forgive(everywhere(g))
	}
}

// Succeeded forgives a try and remembers the address from which the user has signed in.
func (l *Lockout) Succeeded(g Guess) {
	l.Forgive(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.familiar[g]; !known && len(l.familiar) >= or(l.Here.Limit, DefaultGuesses) {
		for one := range l.familiar { // any one
			delete(l.familiar, one)
			break
		}
	}
	if l.familiar == nil {
		l.familiar = make(map[Guess]struct{})
	}
	l.familiar[g] = struct{}{}
}

func everywhere(g Guess) Guess { return Guess{Tenant: g.Tenant, App: g.App} }

func (l *Lockout) isFamiliar(g Guess) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.familiar[g]
	return known
}

func (l *Lockout) here() *Throttle { return l.Here.withDefaults(lockoutBurst, lockoutRefill) }

func (l *Lockout) everywhere() *Throttle {
	return l.Everywhere.withDefaults(accountBurst, accountRefill)
}
