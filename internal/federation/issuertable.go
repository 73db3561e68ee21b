package federation

import (
	"sync"
	"time"
)

const (
	// maxIssuers is how many issuers are kept besides those that the operator lists, and maxUnreached how many of
	// which there are no keys: they are nothing but a remembered failure.
	maxIssuers, maxUnreached = 512, 2048
	// idleIssuer is for how long an issuer is kept that no assertion names.
	idleIssuer = 24 * time.Hour
)

// issuerTable is a bounded number of issuers. The zero value is empty. It is safe for concurrent use.
type issuerTable struct {
	mu      sync.RWMutex
	sources map[string]*issuerSource
}

// find returns an issuer, which may be a new one.
func (t *issuerTable) find(issuer string, now time.Time) *issuerSource {
	s := t.get(issuer)
	if s == nil {
		s = t.add(issuer, now)
	}
	if second := now.Unix(); s.used.Load() != second { // one write a second
		s.used.Store(second)
	}
	return s
}

// get returns a known issuer, or nil.
func (t *issuerTable) get(issuer string) *issuerSource {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sources[issuer]
}

func (t *issuerTable) add(issuer string, now time.Time) *issuerSource {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sources[issuer]; s != nil {
		return s
	}
	if t.sources == nil {
		t.sources = map[string]*issuerSource{}
	}
	s := newIssuerSource(issuer)
	s.used.Store(now.Unix())
	t.sources[issuer] = s
	t.removeExcess(now)
	return s
}

// trim keeps the bounds after an issuer has been reached.
func (t *issuerTable) trim(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeExcess(now)
}

// removeExcess removes idle issuers, and of those that were reached and of the others the ones that were used last the
// longest time ago, as many as there are too many. The caller must hold the lock.
func (t *issuerTable) removeExcess(now time.Time) {
	for {
		var reached, unreached issuerClass
		for name, s := range t.sources {
			switch {
			case now.Unix()-s.used.Load() > int64(idleIssuer/time.Second):
				delete(t.sources, name)
			case s.state.Load().keys != nil:
				reached.add(s)
			default:
				unreached.add(s)
			}
		}
		reached.shrink(t, maxIssuers)
		unreached.shrink(t, maxUnreached)
		if reached.count <= maxIssuers+1 && unreached.count <= maxUnreached+1 {
			return
		}
	}
}

// issuerClass counts issuers.
type issuerClass struct {
	count  int
	oldest *issuerSource // the one that was used last the longest time ago
}

func (c *issuerClass) add(s *issuerSource) {
	if c.count++; c.oldest == nil || s.used.Load() < c.oldest.used.Load() {
		c.oldest = s
	}
}

// shrink removes the oldest issuer if there are too many.
func (c *issuerClass) shrink(t *issuerTable, most int) {
	if c.count > most {
		delete(t.sources, c.oldest.issuer)
	}
}
