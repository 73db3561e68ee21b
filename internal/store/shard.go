package store

import (
	"sync"
	"sync/atomic"
)

// shard is one part of a cache. Readers share its lock and mark the entries that they use. When it is full,
// it evicts with the CLOCK algorithm: a hand goes round and removes the first entry that was not used since
// the hand last passed it.
type shard struct {
	mu    sync.RWMutex
	gets  map[uint64]*entry // by hash of the key; of two keys with the same hash, the newer replaces the older
	scans map[uint64]*entry // by hash of the prefix
	memos map[uint64]*entry // by hash of the key and of the Memo's name
	ring  []*entry
	hand  int
	bytes int64
	limit int64

	hits, misses atomic.Uint64
	_            [64]byte // so that the next shard's lock is on another cache line
}

// entry is one cached Get, all cached scans of one prefix, or one value of a Memo. Once it is in a shard, only
// its slot and its life change.
type entry struct {
	key  string // of a Get or of a value; for scans, the prefix
	hash uint64
	in   map[uint64]*entry // the map of the shard that has the entry
	size int64

	from   Revision // for a Get and a value: the revision since which it is current
	found  bool
	record Record
	pages  []*page   // for scans
	memo   *memoized // for a value

	slot int   // index in the ring; guarded by the shard's lock
	life *life // set when the entry is added
}

// life is the part of an entry that the values depending on it share. It is a struct of its own, so that a value
// does not keep the records of an evicted entry in memory.
type life struct {
	used atomic.Bool // used since the hand last passed it
	gone atomic.Bool // removed from the shard, so commits no longer invalidate it
}

// touch marks the entry as used.
func (l *life) touch() {
	if !l.used.Load() { // usually it is already set, and a write would slow down readers on other processors
		l.used.Store(true)
	}
}

// page is one cached scan.
type page struct {
	hash    uint64 // of the prefix
	scan    Range
	from    Revision
	records []Record
	size    int64
}

const (
	entryOverhead  = 256 // estimated bytes of an entry in addition to keys and values
	recordOverhead = 64  // estimated bytes of a record in addition to its key and value
	mostPages      = 8   // of one prefix
)

// add appends a record and reports whether the page is still small enough to be cached.
func (p *page) add(rec Record) bool {
	p.records = append(p.records, rec)
	p.size += int64(len(rec.Key)+len(rec.Value)) + recordOverhead
	return p.size <= entryMaximum && len(p.records) <= scanMaximum
}

func (s *shard) init(limit int64) {
	s.gets, s.scans, s.memos, s.limit = make(map[uint64]*entry), make(map[uint64]*entry), make(map[uint64]*entry), limit
}

// get returns the entry of a key if it was current at revision pin, else nil.
func (s *shard) get(hash uint64, key string, pin Revision) *entry {
	s.mu.RLock()
	e := s.gets[hash]
	s.mu.RUnlock()
	if e == nil || e.key != key || e.from > pin {
		s.misses.Add(1)
		return nil
	}
	s.hit(e)
	return e
}

// scan returns the page of exactly this scan if it was current at revision pin.
func (s *shard) scan(hash uint64, r Range, pin Revision) (*entry, *page) {
	s.mu.RLock()
	e := s.scans[hash]
	s.mu.RUnlock()
	if e != nil && e.key == r.Prefix {
		for _, p := range e.pages {
			if p.scan == r && p.from <= pin {
				s.hit(e)
				return e, p
			}
		}
	}
	s.misses.Add(1)
	return nil, nil
}

// memo returns the value that a Memo has for a key, if it may be current at revision pin.
func (s *shard) memo(hash uint64, key string, owner any, pin Revision) *entry {
	s.mu.RLock()
	e := s.memos[hash]
	s.mu.RUnlock()
	if e == nil || e.key != key || e.memo.owner != owner || e.from > pin {
		return nil
	}
	return e
}

// addMemo adds a value.
func (s *shard) addMemo(e *entry) {
	e.size += int64(len(e.key)+8*len(e.memo.parts)) + entryOverhead
	if e.size > s.largest() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(s.memos, e)
}

func (s *shard) hit(e *entry) {
	s.hits.Add(1)
	e.life.touch()
}

// addGet adds the result of a Get by a snapshot, unless a later commit has changed it. It reports whether it has
// added it.
func (s *shard) addGet(e *entry, by *cachedSnapshot) bool {
	e.size = int64(len(e.key)+len(e.record.Value)) + entryOverhead
	if e.size > s.largest() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if by.outlived() || by.cache.latest.wrote(by.pin, e.key) {
		return false
	}
	s.insert(s.gets, e)
	return true
}

// addPage adds one more scan of its prefix and returns the entry, or nil if it did not add the scan. Entries do
// not change, so a new entry replaces the old one.
func (s *shard) addPage(p *page, by *cachedSnapshot) *entry {
	p.size += int64(len(p.scan.After)) + recordOverhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if by.outlived() || by.cache.latest.wroteBelow(p.from, p.scan.Prefix) {
		return nil
	}
	e := &entry{key: p.scan.Prefix, hash: p.hash, pages: []*page{p}}
	e.size = int64(len(e.key)) + entryOverhead + p.size
	if old := s.scans[p.hash]; old != nil && old.key == e.key {
		for _, other := range old.pages {
			if other.scan != p.scan && len(e.pages) < mostPages && e.size+other.size <= s.largest() {
				e.pages = append(e.pages, other)
				e.size += other.size
			}
		}
	}
	if e.size > s.largest() {
		return nil
	}
	s.insert(s.scans, e)
	return e
}

func (s *shard) largest() int64 { return min(entryMaximum, s.limit/4) }

func (s *shard) insert(into map[uint64]*entry, e *entry) {
	if old := into[e.hash]; old != nil {
		s.remove(old)
	}
	for s.bytes+e.size > s.limit {
		s.evict()
	}
	into[e.hash], e.in = e, into
	if e.life == nil {
		e.life = &life{}
	}
	e.slot = len(s.ring)
	s.ring = append(s.ring, e)
	s.bytes += e.size
}

func (s *shard) evict() {
	for {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		e := s.ring[s.hand]
		if !e.life.used.Swap(false) {
			s.remove(e) // the last entry of the ring moves to this slot
			return
		}
		s.hand++
	}
}

func (s *shard) remove(e *entry) {
	e.life.gone.Store(true)
	delete(e.in, e.hash)
	last := len(s.ring) - 1
	s.ring[e.slot] = s.ring[last]
	s.ring[e.slot].slot = e.slot
	s.ring[last] = nil
	s.ring = s.ring[:last]
	s.bytes -= e.size
}

func (s *shard) forgetGet(hash uint64) { s.forget(s.gets, hash) }

func (s *shard) forgetScans(hash uint64) { s.forget(s.scans, hash) }

// forget removes the entry of this hash. It looks first with a shared lock, because usually there is none.
func (s *shard) forget(from map[uint64]*entry, hash uint64) {
	s.mu.RLock()
	e := from[hash]
	s.mu.RUnlock()
	if e == nil {
		// A transaction that adds an entry later sees the commit in Cache.latest.
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := from[hash]; e != nil {
		s.remove(e)
	}
}

// clear removes all entries.
func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ring) > 0 {
		s.remove(s.ring[len(s.ring)-1])
	}
	s.hand = 0
}

func (s *shard) addTo(sum *CacheStats) {
	sum.Hits += s.hits.Load()
	sum.Misses += s.misses.Load()
	s.mu.RLock()
	defer s.mu.RUnlock()
	sum.Entries += len(s.ring)
	sum.Bytes += s.bytes
	sum.Capacity += s.limit
}
