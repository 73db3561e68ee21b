package federation

import (
	"sync"
	"time"
)

const (
	// maxIssuers is how many issuers are kept besides those that the operator lists.
	maxIssuers = 512
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
	t.makeRoom(now)
	s := newIssuerSource(issuer)
	s.used.Store(now.Unix())
	t.sources[issuer] = s
	return s
}

// makeRoom removes idle issuers. If the table is full, it also removes the issuer that was used last the longest time
// ago, first among those that were never reached: they are nothing but a remembered failure.
func (t *issuerTable) makeRoom(now time.Time) {
	var victim *issuerSource
	for name, s := range t.sources {
		if now.Unix()-s.used.Load() > int64(idleIssuer/time.Second) {
			delete(t.sources, name)
			continue
		}
		if victim == nil || before(s, victim) {
			victim = s
		}
	}
	if len(t.sources) >= maxIssuers {
		delete(t.sources, victim.issuer)
	}
}

// before reports whether a is removed before b.
func before(a, b *issuerSource) bool {
	reachedA, reachedB := a.state.Load().keys != nil, b.state.Load().keys != nil
	if reachedA != reachedB {
		return reachedB
	}
	return a.used.Load() < b.used.Load()
}
