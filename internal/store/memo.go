package store

import (
	"hash/maphash"
	"strings"
)

// Memo caches values that are computed from several records, for hot paths on which even reading all of them
// from the cache costs too much: what a principal was granted, the groups that it is in. A value lives in the
// store's cache beside the reads that it was computed from. It is exact: a commit that changes one of these
// reads ends the value before anyone can see the commit. So it needs no invalidation of its own.
//
// In an Update, a Memo reads as a Scan does: it does not see the transaction's own writes, and its reads are not
// guarded. A store without a cache computes every value anew.
//
// All callers share a value and must not modify it. A Memo is safe for concurrent use.
type Memo[T any] struct {
	Name string // tells the values of one Memo from those of others, in one program

	// Size estimates the memory of a value in bytes. The cache counts it. Without Size, the values have a method
	// Size() int, so that the zero value of a Memo is ready to use.
	Size func(T) int
}

// size estimates the memory of a value.
func (m *Memo[T]) size(value T) int64 {
	if m.Size != nil {
		return int64(m.Size(value))
	}
	return int64(any(value).(interface{ Size() int }).Size())
}

// Of returns the value of a key. compute computes it, and must read all that it depends on through its Tx, but for
// what the key says. With fits, the value need not depend on the key alone: a value that does not fit the call is
// computed anew, and replaces the other.
func (m *Memo[T]) Of(t Tx, key string, fits func(T) bool, compute func(Tx) (T, error)) (T, error) {
	outside, ok := t.(*tx)
	if !ok {
		return compute(t)
	}
	snap, ok := outside.snap.(*cachedSnapshot)
	if !ok {
		return compute(outside.reader())
	}
	hash := maphash.String(snap.cache.seed, key) ^ maphash.String(snap.cache.seed, m.Name)
	if e := snap.memo(hash, key, m); e != nil {
		if value := e.memo.value.(T); fits == nil || fits(value) {
			return value, nil
		}
	}
	reader := outside.reader()
	value, done, err := record(snap, func() (T, error) { return compute(reader) })
	outside.stale = outside.stale || reader.stale
	if err == nil && !done.failed && len(done.parts) > 0 {
		snap.cache.shard(hash).addMemo(newMemoEntry(
			entry{key: strings.Clone(key), hash: hash, from: done.from, size: m.size(value)},
			m, value, done.parts,
		))
	}
	return value, err
}

// record calls compute and returns its reads with its result.
func record[T any](snap *cachedSnapshot, compute func() (T, error)) (T, *recording, error) {
	outer, inner := snap.recording, &recording{}
	snap.recording = inner
	defer func() {
		if snap.recording = outer; outer != nil {
			outer.add(inner)
		}
	}()
	value, err := compute()
	return value, inner, err
}
