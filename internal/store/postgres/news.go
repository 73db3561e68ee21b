//go:build cluster

package postgres

import (
	"sync"
	"time"

	"midas/internal/store"
)

// news wakes the watches when anything shows that there may be a new commit: a notification, an own commit, or a
// read that saw a newer revision.
type news struct {
	mu    sync.Mutex
	state state
}

// state is what a process knows of the newest commit.
type state struct {
	newest  store.Revision
	mark    *int64        // of the newest commit; nil if it is not known
	wakes   uint64        // how often it has changed
	checked time.Time     // when the database was last asked for it
	more    chan struct{} // closed at the next wake
}

func (n *news) init() { n.state.more = make(chan struct{}) }

// observe wakes the watches if rev is newer than all revisions before.
func (n *news) observe(rev store.Revision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if rev > n.state.newest {
		n.state.newest, n.state.mark = rev, nil
		n.broadcast()
	}
}

// answer takes the newest commit from the database, which was asked for it when this process knew the revision before.
// The newest commit can be older than that: a standby has taken over that lacks commits.
func (n *news) answer(rev store.Revision, mark *int64, before store.Revision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &n.state
	s.checked = time.Now()
	switch {
	case rev < s.newest && rev >= before: // it is newer now
	case rev == s.newest && !differ(mark, s.mark):
		s.mark = mark
	default:
		s.newest, s.mark = rev, mark
		n.broadcast()
	}
}

// differ reports whether two marks are those of two commits.
func differ(a, b *int64) bool { return a != nil && b != nil && *a != *b }

// wake makes the watches look for commits that nothing has announced.
func (n *news) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.checked = time.Time{}
	n.broadcast()
}

func (n *news) broadcast() {
	n.state.wakes++
	close(n.state.more)
	n.state.more = make(chan struct{})
}

// now returns what is known now.
func (n *news) now() state {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

// seen returns the newest revision that this process knows of.
func (n *news) seen() store.Revision { return n.now().newest }
