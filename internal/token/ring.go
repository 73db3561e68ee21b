package token

import (
	"cmp"
	"slices"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

// ring is the set of signing keys at one revision of the store. It does not change.
type ring struct {
	revision store.Revision
	head     store.Revision // of the record under headKey, which every change of the keys puts
	keys     []ringKey      // in the order in which they sign
	byKID    map[string]int // positions in keys
}

// ringKey is a key with the time until which it is published. That time depends on the next key of the
// ring.
type ringKey struct {
	*signingKey
	until time.Time // zero for the last key of the ring, which stays published
}

// newRing sorts the keys and computes until when each is published: until the last token that it can have
// signed, on the replica with the slowest clock, has expired. longest is how long after the time of the next key that
// can be.
func newRing(keys []*signingKey, longest time.Duration) *ring {
	slices.SortFunc(keys, func(a, b *signingKey) int {
		return cmp.Or(a.signFrom.Compare(b.signFrom), cmp.Compare(a.kid, b.kid))
	})
	r := &ring{keys: make([]ringKey, len(keys)), byKID: make(map[string]int, len(keys))}
	for i, k := range keys {
		r.keys[i].signingKey = k
		if i+1 < len(keys) {
			r.keys[i].until = keys[i+1].signFrom.Add(longest + clock.Skew)
		}
		r.byKID[k.kid] = i
	}
	return r
}

// signer is the key that signs now: the one with the latest signFrom that is not in the future. If all are
// in the future, because the clock is slow, it is the first key. It is nil in an empty ring.
func (r *ring) signer(now time.Time) *signingKey {
	for _, k := range slices.Backward(r.keys) {
		if !k.signFrom.After(now) {
			return k.signingKey
		}
	}
	if len(r.keys) == 0 {
		return nil
	}
	return r.keys[0].signingKey
}

// newest is the key with the latest signFrom that is not after until, or nil.
func (r *ring) newest(until time.Time) *signingKey {
	for _, k := range slices.Backward(r.keys) {
		if !k.signFrom.After(until) {
			return k.signingKey
		}
	}
	return nil
}

// published returns a key if it is in the key set now.
func (r *ring) published(kid string, now time.Time) (*signingKey, bool) {
	i, ok := r.byKID[kid]
	if !ok || r.keys[i].expired(now) {
		return nil, false
	}
	return r.keys[i].signingKey, true
}

// withdrawn are the ids of the keys that are no longer published.
func (r *ring) withdrawn(now time.Time) []string {
	var kids []string
	for _, k := range r.keys {
		if k.expired(now) {
			kids = append(kids, k.kid)
		}
	}
	return kids
}

// expired reports whether the key is no longer published.
func (k ringKey) expired(now time.Time) bool { return !k.until.IsZero() && !now.Before(k.until) }
