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
	gets  map[uint64]*entry // by hash of the key; of two keys with one hash, the newer wins
	scans map[uint64]*entry // by hash of the prefix
	ring  []*entry
	hand  int
	bytes int64
	limit int64

	hits, misses atomic.Uint64
	_            [64]byte // the next shard's lock lies on a cache line of its own
}

// entry is one remembered Get, or all remembered scans of one prefix. Once it is in a shard, only its
// last three fields change.
type entry struct {
	key    string // or prefix
	hash   uint64
	isScan bool
	size   int64

	from   Revision // of a Get: true since then
	found  bool
	record Record
	pages  []*page // of scans

	slot int         // in the ring; guarded by the shard
	used atomic.Bool // since the hand passed
	gone atomic.Bool // no longer in the shard, so a commit does not mark it
}

// page is one remembered scan.
type page struct {
	hash    uint64 // of the prefix
	scan    Range
	from    Revision
	records []Record
	size    int64
}

const (
	entryOverhead  = 256 // bytes beside keys and values, by estimate
	recordOverhead = 64
	mostPages      = 8 // of one prefix
)

// add collects a record and reports whether the page is still small enough to be remembered.
func (p *page) add(rec Record) bool {
	p.records = append(p.records, rec)
	p.size += int64(len(rec.Key)+len(rec.Value)) + recordOverhead
	return p.size <= entryMaximum && len(p.records) <= scanMaximum
}

func (s *shard) init(limit int64) {
	s.gets, s.scans, s.limit = make(map[uint64]*entry), make(map[uint64]*entry), limit
}

// get finds the entry of a key if it was true at pin already.
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

// scan finds the records of exactly this scan.
func (s *shard) scan(hash uint64, r Range, pin Revision) (*entry, []Record) {
	s.mu.RLock()
	e := s.scans[hash]
	s.mu.RUnlock()
	if e != nil && e.key == r.Prefix {
		for _, p := range e.pages {
			if p.scan == r && p.from <= pin {
				s.hit(e)
				return e, p.records
			}
		}
	}
	s.misses.Add(1)
	return nil, nil
}

func (s *shard) hit(e *entry) {
	s.hits.Add(1)
	if !e.used.Load() { // mostly it is set already; a write would slow down readers
		e.used.Store(true)
	}
}

// addGet remembers what a snapshot of revision at has shown, unless a later commit has changed it.
func (s *shard) addGet(e *entry, at Revision, later *lastCommits) {
	e.size = int64(len(e.key)+len(e.record.Value)) + entryOverhead
	if e.size > s.largest() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if later.wrote(at, e.key) {
		return
	}
	s.insert(s.gets, e)
}

// addPage remembers one more scan of its prefix. Entries do not change, so a new one takes the place of
// the old.
func (s *shard) addPage(p *page, later *lastCommits) {
	p.size += int64(len(p.scan.After)) + recordOverhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if later.wroteBelow(p.from, p.scan.Prefix) {
		return
	}
	e := &entry{key: p.scan.Prefix, hash: p.hash, isScan: true, pages: []*page{p}}
	e.size = int64(len(e.key)) + entryOverhead + p.size
	if old := s.scans[p.hash]; old != nil && old.key == e.key {
		for _, other := range old.pages {
			if other.scan != p.scan && len(e.pages) < mostPages && e.size+other.size <= s.largest() {
				e.pages = append(e.pages, other)
				e.size += other.size
			}
		}
	}
	if e.size <= s.largest() {
		s.insert(s.scans, e)
	}
}

func (s *shard) largest() int64 { return min(entryMaximum, s.limit/4) }

func (s *shard) insert(into map[uint64]*entry, e *entry) {
	if old := into[e.hash]; old != nil {
		s.remove(old)
	}
	for s.bytes+e.size > s.limit {
		s.evict()
	}
	into[e.hash] = e
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
		if !e.used.Swap(false) {
			s.remove(e) // the last of the ring moves to this slot
			return
		}
		s.hand++
	}
}

func (s *shard) remove(e *entry) {
	e.gone.Store(true)
	if e.isScan {
		delete(s.scans, e.hash)
	} else {
		delete(s.gets, e.hash)
	}
	last := len(s.ring) - 1
	s.ring[e.slot] = s.ring[last]
	s.ring[e.slot].slot = e.slot
	s.ring[last] = nil
	s.ring = s.ring[:last]
	s.bytes -= e.size
}

func (s *shard) forgetGet(hash uint64) { s.forget(s.gets, hash) }

func (s *shard) forgetScans(hash uint64) { s.forget(s.scans, hash) }

// forget removes the entry of this hash. Mostly there is none, which a shared lock finds out.
func (s *shard) forget(from map[uint64]*entry, hash uint64) {
	s.mu.RLock()
	e := from[hash]
	s.mu.RUnlock()
	if e == nil {
		// A transaction that adds an entry later finds the commit among the latest commits.
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := from[hash]; e != nil {
		s.remove(e)
	}
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
