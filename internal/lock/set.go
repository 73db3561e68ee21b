package lock

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// set has all locks of a subscription in the order of their keys. It does not change.
type set []row

type row struct {
	key   string // of the record
	scope string // the key of the scope
	Lock
}

// readSet reads the locks of a subscription.
func readSet(tx store.Tx, subscription arm.ID) (set, error) {
	var all set
	base := store.LockKind.Keys + subscription.Key()
	for _, prefix := range [...]string{base + "\x00", base + "/"} {
		for rec, err := range locks.Scan(tx, store.Range{Prefix: prefix}) {
			if err != nil {
				return nil, err
			}
			all = append(all, row{key: rec.Key, scope: scopeOf(rec.Key), Lock: rec.Data})
		}
	}
	return all, nil
}

// at returns the locks at exactly one scope.
func (s set) at(scope string) set { return s.below(store.LockKind.Keys + scope + "\x00") }

// below returns the locks whose key begins with a prefix.
func (s set) below(prefix string) set {
	first, _ := slices.BinarySearchFunc(s, prefix, func(r row, key string) int { return strings.Compare(r.key, key) })
	rest := s[first:]
	for n := range rest {
		if !strings.HasPrefix(rest[n].key, prefix) {
			return rest[:n]
		}
	}
	return rest
}

// reaching returns the locks that protect a scope: those at the scope and above it, the outermost first.
func (s set) reaching(scope arm.ID) set {
	var found set
	for up := range scope.Ancestors() {
		found = append(slices.Clone(s.at(up.Key())), found...)
	}
	return found
}

// touching returns the locks that an operation at a scope touches: those that protect the scope, and for a deletion,
// which also deletes what is below, those below.
func (s set) touching(o Operation, scope arm.ID) set {
	found := s.reaching(scope)
	if o == Delete {
		found = append(found, s.below(store.LockKind.Keys+scope.Key()+"/")...)
	}
	return found
}

// forbidding returns the ids of the scopes whose locks forbid an operation, without duplicates. It returns at most
// maxNamed, because an error names them.
func (s set) forbidding(o Operation, scope arm.ID) []string {
	var ids []string
	last := ""
	for _, l := range s.touching(o, scope) {
		if l.Level.forbids(o) && l.scope != last && len(ids) < maxNamed {
			ids, last = append(ids, l.Scope), l.scope
		}
	}
	return ids
}
