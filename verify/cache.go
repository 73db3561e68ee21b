package verify

import (
	"crypto/sha256"
	"sync"
)

// cacheSize is how many tokens are remembered, each with about 3 KB.
const cacheSize = 8192

// accepted is a token whose signature, issuer, tenant and audience are good.
type accepted struct {
	claims *Claims
	key    *publicKey
}

// cache remembers the tokens that were used last, by their SHA-256 and not by their text. It has two generations: a
// token that is used moves to the young one. When the young one is full, it becomes the old one, and the previous
// old one is dropped. So neither a hit nor an eviction looks at other entries.
type cache struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]*accepted
}

func (c *cache) get(sum [sha256.Size]byte) (*accepted, bool) {
	c.mu.RLock()
	found, ok := c.young[sum]
	if ok {
		c.mu.RUnlock()
		return found, true
	}
	found, ok = c.old[sum]
	c.mu.RUnlock()
	if ok {
		c.put(sum, found)
	}
	return found, ok
}

func (c *cache) put(sum [sha256.Size]byte, a *accepted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= cacheSize/2 {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = make(map[[sha256.Size]byte]*accepted)
	}
	delete(c.old, sum)
	c.young[sum] = a
}

func (c *cache) drop(sum [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, sum)
	delete(c.old, sum)
}
