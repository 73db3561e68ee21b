package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// lastCommits records the keys that the newest commits have written. With it a cache decides whether a value
// that it has read from a snapshot is still current when it adds the value. Revisions may leave numbers out.
type lastCommits struct {
	newest atomic.Uint64 // revision

	mu    sync.RWMutex
	kept  [keptCommits]lastCommit // a ring
	next  int                     // the slot of the next commit
	floor Revision                // all commits after it are in kept
}

// lastCommit is a revision, 0 if the slot is free, and the keys that it wrote.
type lastCommit struct {
	revision Revision
	keys     []string
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
	slot := &c.kept[c.next]
	c.floor = max(c.floor, slot.revision)
	*slot = lastCommit{rev, keys}
	c.next = (c.next + 1) % keptCommits
	c.newest.Store(uint64(rev))
}

// reset forgets all commits. The next one comes after rev.
func (c *lastCommits) reset(rev Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept, c.next, c.floor = [keptCommits]lastCommit{}, 0, rev
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
	if at < c.floor || at > Revision(c.newest.Load()) {
		return true
	}
	for i := 1; i <= keptCommits; i++ { // from the newest commit on
		commit := &c.kept[(c.next-i+keptCommits)%keptCommits]
		if commit.revision <= at {
			return false
		}
		if slices.ContainsFunc(commit.keys, match) {
			return true
		}
	}
	return false
}
