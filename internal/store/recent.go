package store

import (
	"strings"
	"sync"
	"sync/atomic"
)

// recent knows which keys the newest commits have written. With it a cache decides whether what was
// read from a snapshot is still true when it is about to be remembered.
type recent struct {
	newest atomic.Uint64 // revision

	mu   sync.RWMutex
	keys [recentCommits][]string // of a revision, at the revision modulo the length
}

// recentCommits is how old a snapshot may be, in commits, for its reads to be remembered.
const recentCommits = 256

// add is called in the order of revisions.
func (r *recent) add(rev Revision, writes []Write) {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[rev%recentCommits] = keys
	r.newest.Store(uint64(rev))
}

// wrote reports whether a commit after at has written key, or may have.
func (r *recent) wrote(at Revision, key string) bool {
	return r.any(at, func(written string) bool { return written == key })
}

// wroteBelow reports whether a commit after at has written a key with this prefix, or may have.
func (r *recent) wroteBelow(at Revision, prefix string) bool {
	return r.any(at, func(written string) bool { return strings.HasPrefix(written, prefix) })
}

func (r *recent) any(at Revision, match func(string) bool) bool {
	if Revision(r.newest.Load()) == at {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	newest := Revision(r.newest.Load())
	if newest-at > recentCommits {
		return true
	}
	for rev := at + 1; rev <= newest; rev++ {
		for _, key := range r.keys[rev%recentCommits] {
			if match(key) {
				return true
			}
		}
	}
	return false
}
