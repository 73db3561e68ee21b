package login

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxAssertions is how many client assertions are remembered. Each takes some 150 bytes.
const maxAssertions = 100_000

// appShare is which part of all that are remembered may be one application's.
const appShare = 20

// sweepAssertions is how often assertions whose time is over are looked for.
const sweepAssertions = time.Minute

// assertions remembers which client assertions were used, and from where, until they expire. It is asked only about assertions that a client's key has signed.
//
// An assertion may be used again from the address that has used it first: MSAL for Python signs one
// and asks with it for tokens for several resources. From another address it is a copy.
//
// The clients of one application have room for a part only. When it is full they have to wait, rather
// than have one forgotten that is still good. When all together have no room left, the application that
// has taken most loses what ends next, so that nobody makes the server forget another's by signing many.
type assertions struct {
	limit int // of all that are remembered
	mu    sync.Mutex
	apps  map[string]*appUses
	total int
	swept time.Time
}

// appUses are the assertions of one application.
type appUses struct {
	used map[[sha256.Size]byte]seen
	next time.Time // none ends before
}

type seen struct {
	client string
	until  time.Time
}

// use is an assertion in use.
type use struct {
	app    string
	name   [sha256.Size]byte
	client string // where it comes from
	until  time.Time
}

// first reports whether an assertion has not been used from elsewhere; or it gives how long the
// application has to wait.
func (s *assertions) first(u use, now time.Time) (wait time.Duration, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) >= sweepAssertions || now.Before(s.swept) {
		s.sweep(now)
	}
	app := s.apps[u.app]
	if app != nil {
		if before, known := app.used[u.name]; known && now.Before(before.until) {
			return 0, before.client == u.client
		}
		if len(app.used) >= max(s.limit/appShare, 1) {
			s.total -= app.sweep(now)
		}
		if len(app.used) >= max(s.limit/appShare, 1) {
			return app.next.Sub(now), false
		}
	}
	if s.total >= s.limit {
		s.sweep(now)
	}
	if s.total >= s.limit {
		s.makeRoom()
	}
	s.keep(u)
	return 0, true
}

func (s *assertions) keep(u use) {
	app := s.apps[u.app]
	if app == nil {
		app = &appUses{used: map[[sha256.Size]byte]seen{}, next: u.until}
		if s.apps == nil {
			s.apps = map[string]*appUses{}
		}
		s.apps[u.app] = app
	}
	if _, known := app.used[u.name]; !known {
		s.total++
	}
	app.used[u.name] = seen{u.client, u.until}
	if u.until.Before(app.next) {
		app.next = u.until
	}
}

// sweep forgets what has expired.
func (s *assertions) sweep(now time.Time) {
	s.swept = now
	for name, app := range s.apps {
		s.total -= app.sweep(now)
		if len(app.used) == 0 {
			delete(s.apps, name)
		}
	}
}

// sweep forgets what has expired of an application, and says how many that were.
func (a *appUses) sweep(now time.Time) (gone int) {
	if now.Before(a.next) {
		return 0
	}
	a.next = time.Time{}
	for name, one := range a.used {
		switch {
		case !now.Before(one.until):
			delete(a.used, name)
			gone++
		case a.next.IsZero() || one.until.Before(a.next):
			a.next = one.until
		}
	}
	return gone
}

// makeRoom forgets what expires next of the application that has most.
func (s *assertions) makeRoom() {
	var largest *appUses
	for _, app := range s.apps {
		if largest == nil || len(app.used) > len(largest.used) {
			largest = app
		}
	}
	var next [sha256.Size]byte
	var soonest time.Time
	for name, one := range largest.used {
		if soonest.IsZero() || one.until.Before(soonest) {
			next, soonest = name, one.until
		}
	}
	delete(largest.used, next)
	s.total--
}
