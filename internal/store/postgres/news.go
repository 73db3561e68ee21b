//go:build cluster

package postgres

import (
	"sync"

	"midas/internal/store"
)

// news wakes the watches when anything shows that there may be a new commit: a notification, an own commit, or a
// read that saw a newer revision.
type news struct {
	mu     sync.Mutex
	newest store.Revision
	more   chan struct{} // closed at the next wake
}

func (n *news) init() { n.more = make(chan struct{}) }

// observe wakes the watches if rev is newer than all revisions before.
func (n *news) observe(rev store.Revision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if rev > n.newest {
		n.newest = rev
		n.broadcast()
	}
}

func (n *news) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broadcast()
}

func (n *news) broadcast() {
	close(n.more)
	n.more = make(chan struct{})
}

// next returns a channel that is closed at the next wake.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.more
}

// seen returns the newest revision that this process knows of.
func (n *news) seen() store.Revision {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newest
}
