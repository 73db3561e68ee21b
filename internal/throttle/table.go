package throttle

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// DefaultBuckets is the default number of buckets of a Table. Each takes 24 bytes.
const DefaultBuckets = 1 << 16

// ways is the number of buckets in a set. A new bucket replaces a bucket of its own set only.
const ways = 8

// Rule is a token bucket: Burst tokens at once, and one more each Refill. A full bucket takes no memory, so
// a client is remembered for at most Burst times Refill.
type Rule struct {
	Name   string // part of the bucket's key, so that rules do not share buckets
	Burst  int
	Refill time.Duration
}

// Or is r with the name of another rule, and with that rule's Burst and Refill if r has none.
func (r Rule) Or(other Rule) Rule {
	r.Name = other.Name
	if r.Burst == 0 {
		r.Burst = other.Burst
	}
	if r.Refill == 0 {
		r.Refill = other.Refill
	}
	return r
}

// Charge is one token of one bucket of the Table whose method Charge returned it.
type Charge struct {
	key    [16]byte
	burst  time.Duration // time to refill an empty bucket
	refill time.Duration
}

// Table holds at most Buckets buckets of all rules. Now is required. It is safe for concurrent use and must
// not be copied.
//
// Keys are SHA-256 hashes with a random seed of the table, so clients cannot choose keys that share a
// bucket or a set. If a set is full, a new bucket replaces the one of its eight that is full again first. A
// client at its limit is therefore forgotten early only if seven other buckets of the same set are nearer
// to empty. An attacker does not know which keys share a set, so this takes about seven times as many
// attempts as all sets together allow, and those attempts are limited too. A full table forgets buckets; it
// never refuses a client because of others.
type Table struct {
	Now     func() time.Time
	Buckets int // 0 means DefaultBuckets

	once sync.Once
	seed [32]byte

	mu   sync.Mutex
	sets [][ways]bucket // nil until something is counted
}

// bucket is a key and the time at which its bucket is full again. Each token moves that time by Refill.
type bucket struct {
	key   [16]byte
	until int64 // Unix time in nanoseconds
}

// Clear forgets all clients.
func (t *Table) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sets = nil
}

// Charge returns a token of the bucket for a rule and a key of several parts.
func (t *Table) Charge(r Rule, parts ...string) Charge {
	t.once.Do(func() { _, _ = rand.Read(t.seed[:]) }) // rand.Read never fails
	text := make([]byte, 0, 512)
	text = append(text, t.seed[:]...)
	text = appendPart(text, r.Name)
	for _, part := range parts {
		text = appendPart(text, part)
	}
	sum := sha256.Sum256(text)
	c := Charge{burst: time.Duration(r.Burst) * r.Refill, refill: r.Refill}
	copy(c.key[:], sum[:])
	return c
}

// appendPart writes the length before the part, so that different lists of parts have different encodings.
func appendPart(to []byte, part string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(part))), part...)
}

// Wait is how long it takes until all charges can be taken, or 0.
func (t *Table) Wait(charges ...Charge) time.Duration {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait(charges, now)
}

// Take takes all charges and returns 0, or takes none and returns how long to wait.
func (t *Table) Take(charges ...Charge) time.Duration {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.wait(charges, now); wait > 0 {
		return wait
	}
	for _, c := range charges {
		t.count(c, now)
	}
	return 0
}

// Count takes charges without a check. A bucket cannot have fewer than 0 tokens.
func (t *Table) Count(charges ...Charge) {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range charges {
		t.count(c, now)
	}
}

// Return puts charges back that were taken and not used.
func (t *Table) Return(charges ...Charge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range charges {
		if b := t.find(c); b != nil {
			b.until -= int64(c.refill)
		}
	}
}

// Len is the number of buckets that are not full.
func (t *Table) Len() (n int) {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.sets {
		for _, b := range t.sets[i] {
			if b.until > now {
				n++
			}
		}
	}
	return n
}

func (t *Table) wait(charges []Charge, now int64) (longest time.Duration) {
	for _, c := range charges {
		b := t.find(c)
		if b == nil {
			continue
		}
		missing := min(time.Duration(b.until-now), c.burst) // less than was counted if the clock was set back
		longest = max(longest, missing-(c.burst-c.refill))
	}
	return longest
}

// find returns the bucket of a charge, or nil if it is full and not stored.
func (t *Table) find(c Charge) *bucket {
	if t.sets == nil {
		return nil
	}
	set := t.set(c)
	for i := range set {
		if set[i].key == c.key {
			return &set[i]
		}
	}
	return nil
}

func (t *Table) set(c Charge) *[ways]bucket {
	return &t.sets[binary.LittleEndian.Uint64(c.key[:])%uint64(len(t.sets))]
}

func (t *Table) count(c Charge, now int64) {
	b := t.find(c)
	if b == nil {
		b = t.place(c, now)
	}
	missing := min(max(0, b.until-now)+int64(c.refill), int64(c.burst))
	b.until = now + missing
}

// place replaces the bucket of the set that is full again first by a new one.
func (t *Table) place(c Charge, now int64) *bucket {
	if t.sets == nil {
		n := t.Buckets
		if n == 0 {
			n = DefaultBuckets
		}
		t.sets = make([][ways]bucket, max(1, n/ways))
	}
	set := t.set(c)
	first := &set[0]
	for i := range set {
		if set[i].until < first.until {
			first = &set[i]
		}
	}
	*first = bucket{key: c.key, until: now}
	return first
}
