package verify

import (
	"crypto/sha256"
	"sync"
)

// The bounds of the tokens that are remembered. A usual token takes about 3 KB. The claims of the longest token take
// ten times as much, so that their size has a bound, too.
const (
	cacheSize  = 8192
	cacheBytes = 32 << 20
)

// accepted is a token whose signature, issuer, tenant and audience are good.
type accepted struct {
	claims  *Claims
	subject string // the folded object id
	key     *publicKey
}

// bytes estimates the memory of an entry: the payload, its values as texts, and the structures.
func (a *accepted) bytes() int { return 1<<10 + 3*len(a.claims.payload) }

// cache remembers the tokens that were used last, by their SHA-256 and not by their text. It has two generations: a
// token that is used moves to the young one. When the young one is full, it becomes the old one, and the previous
// old one is dropped. So neither a hit nor an eviction looks at other entries.
type cache struct {
	mu         sync.RWMutex
	young, old map[[sha256.Size]byte]*accepted
	bytes      int // of the entries that were put into young
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
	if c.young[sum] != nil {
		c.young[sum] = a // another request has checked the same token
		return
	}
	if len(c.young) >= cacheSize/2 || c.bytes+a.bytes() > cacheBytes/2 {
		c.young, c.old, c.bytes = nil, c.young, 0
	}
	if c.young == nil {
		c.young = make(map[[sha256.Size]byte]*accepted)
	}
	delete(c.old, sum)
	c.young[sum] = a
	c.bytes += a.bytes()
}

func (c *cache) drop(sum [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, sum)
	delete(c.old, sum)
}
