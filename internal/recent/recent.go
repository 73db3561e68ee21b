// Package recent is a bounded cache of the values that were used last: decoded records, minted tokens,
// results of verification, an agent's tokens.
//
// It is for values that can be computed again. Structures that must not lose a valid entry, or that give each
// client a share, do not use it: the assertions that were used (api/login), the buckets of throttle, the
// entries of the exact cache and the newest commits (store), and the connections of each address (serve),
// which end and are not evicted.
package recent

import "sync"

// DefaultLimit is how many values a Cache keeps if its Limit is 0.
const DefaultLimit = 8192

// Cache keeps at most Limit values. It has two generations: a value that is used moves to the young one. When
// the young one is full, it becomes the old one, and the previous old one is dropped. So the Limit/2 keys that
// were used last are always in the cache, and neither a hit nor an eviction iterates over entries. The zero
// value is ready to use. A Cache is safe for concurrent use and must not be copied.
type Cache[K comparable, V any] struct {
	Limit int // 0 means DefaultLimit

	mu         sync.RWMutex
	young, old map[K]V
}

// Get returns the value of a key. Readers of young values do not wait for each other.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[key]
	c.mu.RUnlock()
	if ok {
		return v, true
	}
	return c.promote(key)
}

// promote moves a value from the old generation to the young one.
func (c *Cache[K, V]) promote(key K) (V, bool) {
	c.mu.RLock()
	v, ok := c.old[key]
	c.mu.RUnlock()
	if !ok {
		return v, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[key]; ok {
		return v, true
	}
	if v, ok = c.old[key]; ok {
		c.insert(key, v)
	}
	return v, ok
}

// Put sets the value of a key.
func (c *Cache[K, V]) Put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(key, v)
}

// Drop removes a key.
func (c *Cache[K, V]) Drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

// Clear drops all values.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = nil, nil
}

// Len is how many values are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}

// insert sets a value in the young generation. The caller holds the lock.
func (c *Cache[K, V]) insert(key K, v V) {
	delete(c.old, key)
	if _, known := c.young[key]; !known && len(c.young) >= c.generation() {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = make(map[K]V)
	}
	c.young[key] = v
}

// generation is how many values the young generation has at most.
func (c *Cache[K, V]) generation() int {
	if c.Limit == 0 {
		return DefaultLimit / 2
	}
	return max(1, c.Limit/2)
}
