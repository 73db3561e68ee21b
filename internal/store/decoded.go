package store

import "midas/internal/recent"

// Decoded caches the decoded values of records, for hot paths on which decoding costs more than reading.
// It needs no invalidation: a value belongs to exactly one revision of its key, and callers have read the
// current revision from the store before. It keeps the recent.DefaultLimit values that were used last, some
// 1 KB each. It is safe for concurrent use, and must not be copied.
//
// All callers share the values and must not modify them.
type Decoded[T any] struct {
	kept recent.Cache[string, decoded[T]]
}

type decoded[T any] struct {
	revision Revision
	value    T
}

// Of returns the value of a record. It calls decode only if the value is not cached.
func (d *Decoded[T]) Of(rec Record, decode func(Record) (T, error)) (T, error) {
	if rec.Revision == 0 { // a transaction's own write has no revision yet
		return decode(rec)
	}
	if kept, found := d.kept.Get(rec.Key); found && kept.revision == rec.Revision {
		return kept.value, nil
	}
	value, err := decode(rec)
	if err != nil {
		return value, err
	}
	d.kept.Put(rec.Key, decoded[T]{rec.Revision, value})
	return value, nil
}
