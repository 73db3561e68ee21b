package lock

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies reads all locks and their count records. It yields an error for each lock that is not under the key
// of its scope and name, and for each subscription whose count is wrong. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		count := map[string]int{} // by count key
		for kept, err := range tx.Scan(store.Range{Prefix: store.LockKind.Keys}) {
			if err != nil {
				yield(err)
				return
			}
			scope, err := checkRow(kept)
			if err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
				return
			}
			count[countKey(scope)]++
		}
		for kept, err := range tx.Scan(store.Range{Prefix: store.LockCount.Keys}) {
			if err != nil {
				yield(err)
				return
			}
			n, err := tallies.Decode(kept)
			if err == nil && n.Locks != count[kept.Key] {
				err = fmt.Errorf("the count is %d, but there are %d", n.Locks, count[kept.Key])
			}
			if delete(count, kept.Key); err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
				return
			}
		}
		for key, n := range count {
			if !yield(fmt.Errorf("%d locks of subscription %s are not counted, so they protect nothing", n, strings.TrimPrefix(key, store.LockCount.Keys))) {
				return
			}
		}
	}
}

// checkRow returns the scope in the key of a lock, and an error if the lock is not under its key.
func checkRow(kept store.Record) (scope arm.ID, err error) {
	scope, err = arm.ParseID(scopeOf(kept.Key))
	if err != nil {
		return arm.ID{}, err
	}
	l, err := locks.Decode(kept)
	if err != nil {
		return scope, err
	}
	if err := arm.CheckKey(l.Scope, scopeOf(kept.Key)); err != nil {
		return scope, err
	}
	if rowKey(scope, l.Name) != kept.Key {
		return scope, fmt.Errorf("the key is not that of %s at %q", l.Name, l.Scope)
	}
	return scope, nil
}
