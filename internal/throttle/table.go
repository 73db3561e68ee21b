package throttle

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// DefaultBuckets is how many buckets a Table holds if nothing else is said. Each takes 24 bytes.
const DefaultBuckets = 1 << 16

// ways is how many buckets share a set. A new bucket takes the place of one of its own set only.
const ways = 8

// Rule is a token bucket: Burst at once, and then one more each Refill. A bucket of which nothing is
// missing is not kept, so nothing of a client is remembered for longer than Burst times Refill.
type Rule struct {
	Name   string // tells the buckets of two rules apart
	Burst  int
	Refill time.Duration
}

// Or is r with the name of another rule, and with that rule's Burst and Refill where r has none.
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

// Charge is one token of one bucket. It is made by Table.Charge and good for that table only.
type Charge struct {
	key    [16]byte
	burst  time.Duration // what a whole bucket is worth
	refill time.Duration
}

// Table holds the buckets of all rules, at most Buckets of them. Now is required. It is safe for
// concurrent use, and not to be copied.
//
// Keys are SHA-256 hashes over a random number that only this table knows, so nobody can choose two
// keys that share a bucket or a set of buckets. When a set is full, a new bucket takes the place of
// the one that ends first of the eight in it. Who has guessed up to a limit is therefore forgotten
// early only when seven others of that set, which cannot be known, have been brought to their limit
// at the same time: about as many tries as seven times all sets have limits, each of which is counted
// itself. Nobody is ever refused because of others' buckets: a full table forgets, it does not refuse.
type Table struct {
	Now     func() time.Time
	Buckets int // 0 means DefaultBuckets

	once sync.Once
	seed [32]byte

	mu   sync.Mutex
	sets [][ways]bucket // nil until something is counted
}

// bucket says until when it is missing something: each token moves that moment by the rule's Refill.
type bucket struct {
	key   [16]byte
	until int64 // Unix time in nanoseconds
}

// Charge names a token of the bucket of a rule and a key of several parts.
func (t *Table) Charge(r Rule, parts ...string) Charge {
	t.once.Do(func() { _, _ = rand.Read(t.seed[:]) }) // it never fails, says its documentation
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

// appendPart puts the length before each part, so that no two lists of parts read alike.
func appendPart(to []byte, part string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(part))), part...)
}

// Wait is how long it takes until all charges could be taken: 0 when they could be now.
func (t *Table) Wait(charges ...Charge) time.Duration {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait(charges, now)
}

// Take takes all charges and gives 0, or takes none of them and says how long to wait.
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

// Count takes charges that may not be there: a bucket is at most empty.
func (t *Table) Count(charges ...Charge) {
	now := t.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range charges {
		t.count(c, now)
	}
}

// Return gives back what was taken and not used.
func (t *Table) Return(charges ...Charge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range charges {
		if b := t.find(c); b != nil {
			b.until -= int64(c.refill)
		}
	}
}

// Len is how many buckets are missing something.
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

// find gives the bucket of a charge, or nil if there is none.
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

// place gives a new bucket the place of one that is over, or else of the one that ends first.
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
