package store

import (
	"cmp"
	"sync"
)

// Decoded remembers what records decode to, for hot paths on which decoding costs more than
// reading. It needs no invalidation: a value is good for exactly one revision of its key, and which
// revision is current is for the store to say, which has been asked before. It keeps at most Limit
// values, those used last; 0 means DefaultDecoded. It is safe for concurrent use, and not to be
// copied.
//
// Values are shared between all who ask for them: they must not be modified.
type Decoded[T any] struct {
	Limit int

	mu         sync.RWMutex
	young, old map[string]decoded[T]
}

// DefaultDecoded is how many values a Decoded keeps if it is not told: some 1 KB each.
const DefaultDecoded = 8192

type decoded[T any] struct {
	revision Revision
	value    T
}

// Of gives what a record decodes to, calling decode only if it must.
func (d *Decoded[T]) Of(rec Record, decode func(Record) (T, error)) (T, error) {
	if rec.Revision == 0 { // a transaction's own write has no revision yet
		return decode(rec)
	}
	d.mu.RLock()
	kept, found := d.young[rec.Key]
	d.mu.RUnlock()
	if found && kept.revision == rec.Revision {
		return kept.value, nil
	}
	value, err := d.older(rec, decode)
	if err != nil {
		return value, err
	}
	d.keep(rec.Key, decoded[T]{rec.Revision, value})
	return value, nil
}

func (d *Decoded[T]) older(rec Record, decode func(Record) (T, error)) (T, error) {
	d.mu.RLock()
	kept, found := d.old[rec.Key]
	d.mu.RUnlock()
	if found && kept.revision == rec.Revision {
		return kept.value, nil
	}
	return decode(rec)
}

// keep puts a value among the young. When there are enough of them, they become the old ones and
// those are forgotten, so that eviction never walks over anything.
func (d *Decoded[T]) keep(key string, value decoded[T]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.young == nil || len(d.young) >= max(1, cmp.Or(d.Limit, DefaultDecoded)/2) {
		d.young, d.old = map[string]decoded[T]{}, d.young
	}
	d.young[key] = value
	delete(d.old, key)
}
