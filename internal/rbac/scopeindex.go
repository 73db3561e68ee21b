package rbac

import "hash/maphash"

// scopeIndex finds the grants at a scope among many. It is a hash table with one slot for each grant. A decision
// looks up each scope above the resource, and with thousands of callers most of the time goes into reading memory
// that is not in the processor's cache. So a byte of each hash stands in an array of its own: it is small, and for
// a scope without grants the look-up reads nothing else.
type scopeIndex struct {
	seed   maphash.Seed
	tags   []uint8  // 0 is a free slot; at least half of them are free
	grants []*grant // of the slots
}

func newScopeIndex(seed maphash.Seed, list []*grant) *scopeIndex {
	slots := 8
	for slots < 2*len(list) {
		slots *= 2
	}
	x := &scopeIndex{seed: seed, tags: make([]uint8, slots), grants: make([]*grant, slots)}
	for _, g := range list {
		i, tag := x.slot(g.base)
		for x.tags[i] != 0 {
			i = (i + 1) % slots
		}
		x.tags[i], x.grants[i] = tag, g
	}
	return x
}

// appendAt appends the grants at a scope, which is a key without the tenant.
func (x *scopeIndex) appendAt(found []*grant, scope string) []*grant {
	i, tag := x.slot(scope)
	for ; x.tags[i] != 0; i = (i + 1) & (len(x.tags) - 1) {
		if x.tags[i] == tag && x.grants[i].base == scope {
			found = append(found, x.grants[i])
		}
	}
	return found
}

// slot returns the first slot of a scope, and its tag, which is not 0.
func (x *scopeIndex) slot(scope string) (first int, tag uint8) {
	hash := maphash.String(x.seed, scope)
	return int(hash & uint64(len(x.tags)-1)), uint8(hash>>56) | 0x80
}
