package check

import (
	"errors"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"midas/internal/store"
)

// expiring are the kinds whose records have an entry in the expiry index, without which nobody removes them.
func expiring() []store.Kind {
	return []store.Kind{
		store.AssertionKind, store.BrowsersKind, store.CodeKind, store.DeviceKind, store.FamiliarKind, store.RefreshKind,
		store.SessionKind, store.SignInsKind, store.UserCodeKind,
	}
}

// unlisted finds records without an entry in the expiry index. The keys of the entries begin with times, so they cannot
// be looked up; a Bloom filter remembers them. It never reports a record that has an entry, and of ten million records
// without one it overlooks less than a tenth.
func unlisted(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		var listed filter
		prefix := store.ExpiryIndex.Key("", "")
		for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				yield(err)
				return
			}
			_, of, _ := strings.Cut(strings.TrimPrefix(rec.Key, prefix), "/")
			listed.add(of)
		}
		missing := errors.New("it has no entry in the expiry index, so it is never removed")
		check := func(_ store.Tx, rec store.Record) error {
			if listed.has(rec.Key) {
				return nil
			}
			return missing
		}
		checks := store.Checks{}
		for _, kind := range expiring() {
			checks[kind] = check
		}
		store.Examine(tx, checks, "d/")(yield)
	}
}

// filter is a Bloom filter of 16 MiB, which are allocated with the first key.
type filter struct {
	seed maphash.Seed
	bits []uint64
}

const (
	filterWords = 1 << 21
	filterBits  = 4 // that a key sets
)

func (f *filter) add(key string) {
	if f.bits == nil {
		f.seed, f.bits = maphash.MakeSeed(), make([]uint64, filterWords)
	}
	for _, at := range f.positions(key) {
		f.bits[at/64] |= 1 << (at % 64)
	}
}

func (f *filter) has(key string) bool {
	if f.bits == nil {
		return false
	}
	return !slices.ContainsFunc(f.positions(key), func(at uint64) bool { return f.bits[at/64]&(1<<(at%64)) == 0 })
}

func (f *filter) positions(key string) []uint64 {
	sum := maphash.String(f.seed, key)
	step := sum>>32 | 1
	all := make([]uint64, filterBits)
	for i := range all {
		all[i] = (sum + uint64(i)*step) % (filterWords * 64)
	}
	return all
}
