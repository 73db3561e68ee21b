package token

import "sync"

// recent is a bounded memory of what was used lately. It keeps two generations: what is used moves
// to the young one; when that is full, the old one is forgotten and the young one becomes old. So
// the last limit/2 different keys are always known, never more than limit are, and neither a hit
// nor an eviction walks anything.
type recent[K comparable, V any] struct {
	mu         sync.Mutex
	young, old map[K]V
}

func (c *recent[K, V]) get(key K, limit int) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[key]; ok {
		return v, true
	}
	v, ok := c.old[key]
	if ok {
		delete(c.old, key)
		c.keep(key, v, limit)
	}
	return v, ok
}

func (c *recent[K, V]) put(key K, v V, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.old, key)
	c.keep(key, v, limit)
}

func (c *recent[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

func (c *recent[K, V]) keep(key K, v V, limit int) {
	if _, known := c.young[key]; !known && len(c.young) >= max(1, limit/2) {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = make(map[K]V)
	}
	c.young[key] = v
}
