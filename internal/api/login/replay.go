package login

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxAssertions is how many client assertions are remembered. Each takes about 150 bytes.
const maxAssertions = 100_000

// appShare bounds the assertions of one application to 1/appShare of the limit.
const appShare = 20

// sweepAssertions is how often expired assertions are removed.
const sweepAssertions = time.Minute

// assertions remembers which client assertions were used, and from which address, until they expire. It
// is used only for assertions whose signature was verified.
//
// An assertion may be used again from the address that has used it first: MSAL for Python signs one and
// requests tokens for several resources with it. From another address it counts as a copy.
//
// One application may have a part of the limit (appShare). If that is used up, its clients have to wait,
// because a valid assertion must not be forgotten. If the whole limit is used up, the application with the
// most assertions loses the one that expires next, so that an application that signs many cannot displace
// those of others.
type assertions struct {
	limit int // how many assertions are remembered in all
	mu    sync.Mutex
	apps  map[string]*appUses
	total int
	swept time.Time
}

// appUses are the assertions of one application.
type appUses struct {
	used map[[sha256.Size]byte]seen
	next time.Time // no assertion expires earlier
}

type seen struct {
	address string // that used it first
	until   time.Time
}

// use is one use of an assertion.
type use struct {
	app     string
	id      [sha256.Size]byte
	address string // see addressKey
	until   time.Time
}

// first reports whether an assertion was not used from another address before. A positive wait is how
// long the application has to wait, because it has too many assertions.
func (s *assertions) first(u use, now time.Time) (wait time.Duration, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) >= sweepAssertions || now.Before(s.swept) {
		s.sweep(now)
	}
	app := s.apps[u.app]
	if app != nil {
		if before, known := app.used[u.id]; known && now.Before(before.until) {
			return 0, before.address == u.address
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
		s.evict()
	}
	s.add(u)
	return 0, true
}

func (s *assertions) add(u use) {
	app := s.apps[u.app]
	if app == nil {
		app = &appUses{used: map[[sha256.Size]byte]seen{}, next: u.until}
		if s.apps == nil {
			s.apps = map[string]*appUses{}
		}
		s.apps[u.app] = app
	}
	if _, known := app.used[u.id]; !known {
		s.total++
	}
	app.used[u.id] = seen{u.address, u.until}
	if u.until.Before(app.next) {
		app.next = u.until
	}
}

// sweep removes expired assertions.
func (s *assertions) sweep(now time.Time) {
	s.swept = now
	for name, app := range s.apps {
		s.total -= app.sweep(now)
		if len(app.used) == 0 {
			delete(s.apps, name)
		}
	}
}

// sweep removes the expired assertions of an application and returns how many.
func (a *appUses) sweep(now time.Time) (removed int) {
	if now.Before(a.next) {
		return 0
	}
	a.next = time.Time{}
	for name, one := range a.used {
		switch {
		case !now.Before(one.until):
			delete(a.used, name)
			removed++
		case a.next.IsZero() || one.until.Before(a.next):
			a.next = one.until
		}
	}
	return removed
}

// evict removes the assertion that expires next, of the application that has the most.
func (s *assertions) evict() {
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
