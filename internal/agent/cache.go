package agent

import (
	"container/list"
	"sync"
	"time"

	"midas/internal/host"
)

// maxEntries bounds what workloads can make the agent remember, at some 2 KB each.
const maxEntries = 512

// key is what a workload asks for.
type key struct {
	selector host.Selector
	audience string
}

// entry is what is known about one key: a token, or why there is none.
type entry struct {
	token   *host.Token
	refusal error
	epoch   uint64    // of the state in which the server was asked
	asked   time.Time // when that was, by both clocks; it is not later than the token

	// Since asked. The server gives durations, so that a host whose clock is wrong keeps tokens for as
	// long as others.
	refresh time.Duration // when to ask for a new token
	life    time.Duration // of the token
}

// cache holds the entries that were used last.
type cache struct {
	mu    sync.Mutex
	byKey map[key]*list.Element
	used  list.List // of *slot, the last used first
}

type slot struct {
	key key
	entry
}

func (c *cache) get(k key) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.byKey[k]
	if !known {
		return entry{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*slot).entry, true
}

func (c *cache) put(k key, v entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, known := c.byKey[k]; known {
		e.Value.(*slot).entry = v
		c.used.MoveToFront(e)
		return
	}
	if c.byKey == nil {
		c.byKey = map[key]*list.Element{}
	}
	for c.used.Len() >= maxEntries {
		oldest := c.used.Back()
		delete(c.byKey, oldest.Value.(*slot).key)
		c.used.Remove(oldest)
	}
	c.byKey[k] = c.used.PushFront(&slot{k, v})
}
