package store

import (
	"slices"
	"sync/atomic"
)

// memoized is the part of an entry that only the values of a Memo have.
type memoized struct {
	owner any // the *Memo
	value any
	parts []*life // the reads that the value was computed from

	verified atomic.Uint64 // a revision up to which no commit has changed a part
}

// newMemoEntry returns the entry of a value, with its life. They are one object: the hot path reads all three, and
// with thousands of callers it spends most of its time waiting for memory.
func newMemoEntry(e entry, owner, value any, parts []*life) *entry {
	whole := &struct {
		entry    entry
		memoized memoized
		life     life
	}{entry: e}
	whole.memoized.owner, whole.memoized.value, whole.memoized.parts = owner, value, parts
	whole.entry.memo, whole.entry.life = &whole.memoized, &whole.life
	return &whole.entry
}

// holds reports whether no commit has changed a part of the value, as far as the cache knows the commits:
// those up to the revision forgotten have removed their entries. If there was no commit since the last call, it
// need not look at the parts. That also keeps a value whose parts were evicted, until the next commit.
func (m *memoized) holds(forgotten uint64) bool {
	if m.verified.Load() == forgotten {
		return true
	}
	if m.outdated() {
		return false
	}
	for _, part := range m.parts {
		part.touch()
	}
	m.verified.Store(forgotten)
	return true
}

// outdated reports whether a part is no longer in the cache, so that a commit may have changed it.
func (m *memoized) outdated() bool {
	return slices.ContainsFunc(m.parts, func(part *life) bool { return part.gone.Load() })
}

// outdated reports whether a commit may have changed the entry since a transaction has read it.
func (e *entry) outdated() bool {
	if e.memo == nil {
		return e.life.gone.Load()
	}
	return e.memo.outdated()
}
