package rbac

import "hash/maphash"

// scopeIndex finds the grants at a scope among many. It is a hash table with one slot for each grant, in two arrays
// without further pointers: a decision looks up each scope above the resource, and with thousands of callers most
// of the time goes into reading memory that is not in the processor's cache.
type scopeIndex struct {
	seed   maphash.Seed
	hashes []uint64 // 0 is a free slot; at least half of them are free
	grants []*grant // of the slots
}

func newScopeIndex(seed maphash.Seed, list []*grant) *scopeIndex {
	slots := 8
	for slots < 2*len(list) {
		slots *= 2
	}
	x := &scopeIndex{seed: seed, hashes: make([]uint64, slots), grants: make([]*grant, slots)}
	for _, g := range list {
		hash := x.hash(baseScope(g.scope))
		i := x.slot(hash)
		for x.hashes[i] != 0 {
			i = x.slot(uint64(i) + 1)
		}
		x.hashes[i], x.grants[i] = hash, g
	}
	return x
}

// appendAt appends the grants at a scope, which is a key without the tenant.
func (x *scopeIndex) appendAt(found []*grant, scope string) []*grant {
	hash := x.hash(scope)
	for i := x.slot(hash); x.hashes[i] != 0; i = x.slot(uint64(i) + 1) {
		if x.hashes[i] == hash && baseScope(x.grants[i].scope) == scope {
			found = append(found, x.grants[i])
		}
	}
	return found
}

// hash is the hash of a scope, which is never 0.
func (x *scopeIndex) hash(scope string) uint64 { return maphash.String(x.seed, scope) | 1<<63 }

func (x *scopeIndex) slot(n uint64) int { return int(n & uint64(len(x.hashes)-1)) }
