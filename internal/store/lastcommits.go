package store

import (
	"strings"
	"sync"
	"sync/atomic"
)

// lastCommits records the keys that the newest commits have written. With it a cache decides whether a value
// that it has read from a snapshot is still current when it adds the value.
type lastCommits struct {
	newest atomic.Uint64 // revision

	mu   sync.RWMutex
	keys [keptCommits][]string // the keys of a revision, at the revision modulo the length
}

// keptCommits is the maximum age of a snapshot whose reads are cached, in commits.
const keptCommits = 256

// add records a commit. It must be called in the order of revisions.
func (c *lastCommits) add(rev Revision, writes []Write) {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[rev%keptCommits] = keys
	c.newest.Store(uint64(rev))
}

// wrote reports whether a commit after at has written key, or may have.
func (c *lastCommits) wrote(at Revision, key string) bool {
	return c.any(at, func(written string) bool { return written == key })
}

// wroteBelow reports whether a commit after at has written a key with this prefix, or may have.
func (c *lastCommits) wroteBelow(at Revision, prefix string) bool {
	return c.any(at, func(written string) bool { return strings.HasPrefix(written, prefix) })
}

func (c *lastCommits) any(at Revision, match func(string) bool) bool {
	if Revision(c.newest.Load()) == at {
		return false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	newest := Revision(c.newest.Load())
	if newest-at > keptCommits {
		return true
	}
	for rev := at + 1; rev <= newest; rev++ {
		for _, key := range c.keys[rev%keptCommits] {
			if match(key) {
				return true
			}
		}
	}
	return false
}
