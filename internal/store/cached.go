package store

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// Cache is an engine that caches the results of reads from the engine below it: Gets, including those that
// found no record, small Scans, and what a Memo has computed from them.
//
// It is exact. Every entry is current from some revision on until a commit writes its key, and the commit
// itself removes the entry before anyone can see the commit. A transaction begins without a snapshot, pinned
// to the newest durable revision, and reads entries that were current then. Only when the cache lacks a
// record, the transaction opens a real snapshot, which may be newer. Then all entries that it has used must
// still be in the cache, or else it runs again, and opens the snapshot first. So a transaction whose reads
// are all in the cache never uses the engine, and every transaction sees one single revision.
type Cache struct {
	engine Embedded
	below  beginning                   // a snapshot of the engine
	follow *Follower                   // nil if only this process writes
	recent func(context.Context) error // before each attempt of a Recent
	seed   maphash.Seed
	shards []shard // their number is a power of two
	latest lastCommits

	alone  guess // that no other commit comes between the reads and the commit of an Update
	absent guess // see PresumeAbsent

	forgotten atomic.Uint64 // the revision of the newest commit whose entries have been removed
	epoch     atomic.Uint64 // how often the whole cache was emptied
}

const (
	mostShards   = 64
	shardMinimum = 256 << 10 // bytes; a smaller cache has fewer shards
	entryMaximum = 128 << 10 // bytes of one entry
	scanMaximum  = 256       // records of one remembered scan
)

// Cached returns a cache of about the given number of bytes over an engine.
//
// A Scan is cached only if its prefix ends in '/' or in a zero byte, which end the segments of a key. So the
// keys that a commit writes determine which cached scans it must remove.
func Cached(engine Embedded, bytes int64) *Cache {
	count := int64(1)
	for count < mostShards && bytes/(2*count) >= shardMinimum {
		count *= 2
	}
	c := &Cache{engine: engine, below: engine.Snapshot, seed: maphash.MakeSeed(), shards: make([]shard, count)}
	for i := range c.shards {
		c.shards[i].init(bytes / count)
	}
	c.latest.newest.Store(uint64(engine.Head()))
	c.forgotten.Store(uint64(engine.Head()))
	if f, ok := engine.(*Follower); ok {
		c.below, c.follow, c.recent = f.snapshot, f, f.Current
		f.OnReload(c.reset)
	}
	engine.OnCommit(c.forget)
	return c
}

// CacheStats holds the figures of a cache for metrics.
type CacheStats struct {
	Hits, Misses uint64 // since the start
	Entries      int
	Bytes        int64 // used, by estimate
	Capacity     int64
}

// Stats returns the sums over all shards.
func (c *Cache) Stats() CacheStats {
	var sum CacheStats
	for i := range c.shards {
		c.shards[i].addTo(&sum)
	}
	return sum
}

// Snapshot implements Engine. Over a Follower it is fresh.
func (c *Cache) Snapshot(ctx context.Context, attempt int) (Snapshot, error) {
	return c.read(ctx, attempt, attempt == 0)
}

// Recent begins to read what the cache knows. Over a Follower that is not asked whether it is fresh, only how old it is.
func (c *Cache) Recent(ctx context.Context, attempt int) (Snapshot, error) {
	if c.recent != nil {
		if err := c.recent(ctx); err != nil {
			return nil, err
		}
	}
	return c.begin(ctx, attempt)
}

func (c *Cache) begin(ctx context.Context, attempt int) (*cachedSnapshot, error) {
	epoch := c.epoch.Load()
	s := &cachedSnapshot{cache: c, pin: c.engine.Head(), epoch: epoch, attempt: attempt}
	s.used = s.initial[:0]
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if attempt > 0 {
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Commit implements Engine.
func (c *Cache) Commit(ctx context.Context, commit Commit) (Revision, error) {
	rev, err := c.engine.Commit(ctx, commit)
	if commit.Newest {
		c.alone.note(err == nil, errors.Is(err, ErrOvertaken))
	}
	return rev, err
}

// Watch implements Engine.
func (c *Cache) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error] {
	return c.engine.Watch(ctx, prefix, after)
}

// Close implements Engine.
func (c *Cache) Close() error { return c.engine.Close() }

// forget removes the entries that a commit changes. It runs inside every commit. The order matters: first
// latest records the commit, so that no transaction adds an entry from an older snapshot; then forget removes
// the entries that were added before.
func (c *Cache) forget(rev Revision, writes []Write) {
	c.latest.add(rev, writes)
	for _, w := range writes {
		hash := maphash.String(c.seed, w.Key)
		c.shard(hash).forgetGet(hash)
		for i := range len(w.Key) {
			if endsSegment(w.Key[i]) {
				hash := maphash.String(c.seed, w.Key[:i+1])
				c.shard(hash).forgetScans(hash)
			}
		}
	}
	c.forgotten.Store(uint64(rev))
}

// reset forgets everything, because the feed has missed commits. The head is rev now, which may be lower than before if
// the database was restored. The order matters: with the new epoch, no transaction that has begun before adds an entry.
func (c *Cache) reset(rev Revision) {
	c.epoch.Add(1)
	c.latest.reset(rev)
	for i := range c.shards {
		c.shards[i].clear()
	}
	c.forgotten.Store(uint64(rev))
}

func endsSegment(b byte) bool { return b == '/' || b == 0 }

func (c *Cache) shard(hash uint64) *shard {
	return &c.shards[hash&uint64(len(c.shards)-1)]
}

// cachedSnapshot implements Snapshot and Lister.
type cachedSnapshot struct {
	cache   *Cache
	attempt int
	pin     Revision
	epoch   uint64    // of the cache, when the transaction began
	below   Snapshot  // nil until the cache lacks a record
	used    []*entry  // the entries that were read before below was opened, or while doubt is true
	initial [8]*entry // the first array of used, so that short transactions need no allocation

	doubt  bool   // the transaction has not learned whether pin is fresh
	asked  *probe // the question that it has asked; nil if it has not
	unsure bool   // it has read what is not in used while doubt was true

	guesses  bool     // it may presume that keys have no records
	presumed []string // see PresumeAbsent
	guessed  bool     // a Get has presumed it

	recording *recording // the reads of a value that is being computed; nil outside of Memo
}

func (s *cachedSnapshot) Revision() Revision { return s.pin }

func (s *cachedSnapshot) Get(ctx context.Context, key string) (Record, error) {
	hash := maphash.String(s.cache.seed, key)
	shard := s.cache.shard(hash)
	if e := shard.get(hash, key, s.pin); e != nil {
		s.use(e, e.from)
		if !e.found {
			return Record{}, ErrNotFound
		}
		return e.record, nil
	}
	if s.presumes(key) {
		return Record{}, ErrNotFound
	}
	if err := s.open(ctx); err != nil {
		return Record{}, err
	}
	rec, err := s.below.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Record{}, err
	}
	e := &entry{key: key, hash: hash, found: err == nil, record: rec, from: s.pin}
	if e.found {
		e.from = rec.Revision // the record has not changed since
	}
	added := shard.addGet(e, s)
	if s.doubt && added {
		s.used = append(s.used, e)
	}
	s.unsure = s.unsure || s.doubt && !added
	s.record(e, e.from, added)
	return rec, err
}

// cached returns the records of a scan from the cache, and whether the cache has them.
func (s *cachedSnapshot) cached(r Range) ([]Record, bool) {
	if !cacheable(r) {
		return nil, false
	}
	hash := maphash.String(s.cache.seed, r.Prefix)
	e, p := s.cache.shard(hash).scan(hash, r, s.pin)
	if e == nil {
		return nil, false
	}
	s.use(e, p.from)
	return p.records, true
}

// cacheable reports whether the scan's prefix ends at the end of a segment of a key.
func cacheable(r Range) bool { return r.Prefix != "" && endsSegment(r.Prefix[len(r.Prefix)-1]) }

func (s *cachedSnapshot) Scan(ctx context.Context, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		records, known := s.cached(r)
		if !known {
			s.uncached(ctx, r)(yield)
			return
		}
		for _, rec := range records {
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// Records implements Lister.
func (s *cachedSnapshot) Records(ctx context.Context, r Range) ([]Record, error) {
	if records, known := s.cached(r); known {
		return records, nil
	}
	return collect(s.uncached(ctx, r)) // not Scan, which would look in the cache again and count a second miss
}

// uncached reads a scan that the cache lacks, and caches it if its prefix and its size allow it.
func (s *cachedSnapshot) uncached(ctx context.Context, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if !cacheable(r) {
			s.scanBelow(ctx, r, nil, yield)
			return
		}
		s.scanBelow(ctx, r, &page{hash: maphash.String(s.cache.seed, r.Prefix), scan: r}, yield)
	}
}

// scanBelow scans the engine. If p is not nil, it collects the records in p, and adds p to the cache if the
// scan ran to its end and was small.
func (s *cachedSnapshot) scanBelow(ctx context.Context, r Range, p *page, yield func(Record, error) bool) {
	var e *entry // what the cache has of this scan at the end
	defer func() { s.record(e, s.pin, e != nil) }()
	if err := s.settled(ctx); err != nil {
		yield(Record{}, err)
		return
	}
	for rec, err := range s.below.Scan(ctx, r) {
		if err != nil {
			yield(Record{}, err)
			return
		}
		if p != nil && !p.add(rec) {
			p = nil
		}
		if !yield(rec, nil) {
			return
		}
	}
	if p != nil {
		p.from = s.pin
		e = s.cache.shard(p.hash).addPage(p, s)
	}
}

// use records an entry on which this transaction depends, and which is current since a revision. With an open
// snapshot this is not necessary: the entry was in the cache after the snapshot was taken, so it was current at
// the snapshot's revision.
func (s *cachedSnapshot) use(e *entry, from Revision) {
	if s.below == nil || s.doubt {
		s.used = append(s.used, e)
	}
	s.record(e, from, true)
}

// record notes a read for the value that is being computed. Without an entry in the cache, the value cannot be
// cached either, because nothing would end it.
func (s *cachedSnapshot) record(e *entry, from Revision, cached bool) {
	switch {
	case s.recording == nil:
	case cached:
		s.recording.read(e, from)
	default:
		s.recording.failed = true
	}
}

// memo returns the value that a Memo has for a key, or nil.
func (s *cachedSnapshot) memo(hash uint64, key string, owner any) *entry {
	shard := s.cache.shard(hash)
	e := shard.memo(hash, key, owner, s.pin)
	if e == nil || !e.memo.holds(s.cache.forgotten.Load()) || s.recording != nil && e.memo.outdated() {
		shard.misses.Add(1)
		return nil
	}
	shard.hit(e)
	s.use(e, e.from)
	return e
}

// open opens a snapshot of the engine. It can be newer than the entries that were read so far. That is correct
// if these have not changed: every commit that the snapshot shows has removed its entries before. Otherwise
// the error is ErrStale.
func (s *cachedSnapshot) open(ctx context.Context) error {
	if s.below != nil {
		return nil
	}
	below, err := s.cache.below(ctx, s.attempt)
	if err != nil {
		return err
	}
	if s.outlived() {
		below.Close()
		return ErrStale
	}
	if below.Revision() != s.pin {
		if s.changed() {
			below.Close()
			return ErrStale
		}
	}
	s.below, s.pin = below, below.Revision()
	if !s.doubt {
		s.used = nil
	}
	return nil
}

// settled opens a snapshot of the engine for a scan, which may be long: so it waits for the answer first.
func (s *cachedSnapshot) settled(ctx context.Context) error {
	if err := s.confirm(ctx); err != nil {
		return err
	}
	return s.open(ctx)
}

// outlived reports whether the cache was emptied since the transaction began.
func (s *cachedSnapshot) outlived() bool { return s.cache.epoch.Load() != s.epoch }

func (s *cachedSnapshot) Settle(ctx context.Context) error {
	if err := s.confirm(ctx); err != nil {
		return err
	}
	if s.below == nil {
		return nil // only durable revisions are pinned
	}
	return s.below.Settle(ctx)
}

func (s *cachedSnapshot) Close() { s.closeBelow() }
