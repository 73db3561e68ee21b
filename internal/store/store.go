// Package store holds all state of Midas: an ordered map from keys to values with
// transactions and a change feed.
//
// An engine (Pebble, etcd, PostgreSQL) offers four primitives; conflict detection, retries, limits
// and caching are written once, here, above all of them. Every successful Update has a Revision;
// revisions of one store are ordered and have no gaps. A transaction is optimistic: each Get of an
// Update is noted and checked at commit, and when another writer was faster the function runs again. A
// Scan is not checked: a transaction that must guard a set of keys gets the parent record of the set, and a
// transaction that ends the set puts that parent.
package store

import (
	"context"
	"errors"
	"iter"
)

// Revision numbers the committed transactions of one store: 1, 2, 3, … without gaps. 0 is the empty
// store.
type Revision uint64

// Record is one stored key with its value and the revision that last wrote it. The value belongs to
// the store (it may be shared with a cache): callers must not modify it.
type Record struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Range selects keys in byte order.
type Range struct {
	Prefix  string // only keys that begin with it
	After   string // only keys after it (before it, when Reverse); the empty string means all
	Limit   int    // at most so many records; 0 means all
	Reverse bool   // from the last key to the first
}

// Change is one key's new state in the change feed. All changes of one commit carry its revision.
type Change struct {
	Revision Revision
	Key      string
	Value    []byte // nil when Deleted
	Deleted  bool
}

// Limits of every engine; the strictest engine (etcd) sets them for all.
const (
	MaxOperations  = 128       // distinct keys that one Update may get, put and delete
	MaxTransaction = 1_500_000 // bytes of keys and values that one Update may write
	MaxKey         = 4 << 10   // bytes of one key
	MaxValue       = 1 << 20   // bytes of one value
)

// The errors that callers tell apart with errors.Is.
var (
	ErrNotFound  = errors.New("store: key not found")
	ErrConflict  = errors.New("store: too much contention, try again") // other writers were faster too many times
	ErrTooLarge  = errors.New("store: transaction, key or value too large")
	ErrReadOnly  = errors.New("store: write inside a view")
	ErrCompacted = errors.New("store: the change feed no longer reaches back that far")
	ErrClosed    = errors.New("store: closed")

	// ErrUnavailable refuses a write while the engine cannot write, because the disk is full or fails.
	// Reads go on. A write that gets it may still have happened.
	ErrUnavailable = errors.New("store: no writes are accepted at the moment")
)

// Store is safe for concurrent use.
type Store interface {
	// View runs fn on one revision of the store: all that fn reads was true at the same moment.
	// fn may run more than once, so it must set its results and not append to them.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn and commits its writes atomically and durably: when Update returns nil, they
	// survive a crash. It runs fn again when a key that fn has got was changed meanwhile, and gives
	// ErrConflict after many such losses. An error of fn is returned as it is and nothing is
	// written. An Update that writes nothing commits nothing and returns the revision it has read.
	Update(ctx context.Context, fn func(Tx) error) (Revision, error)

	// Watch yields the changes after a revision, in order, without gaps, until ctx ends or the
	// consumer stops. It yields ErrCompacted, once and last, when the feed does not reach back to
	// after, or when the consumer has fallen too far behind.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error]

	// Close waits for running transactions and frees the store.
	Close() error
}

// Tx is one transaction's view. It is for one goroutine and ends with its function.
type Tx interface {
	// Get returns the record of key, or ErrNotFound. It sees this transaction's own writes.
	Get(key string) (Record, error)

	// Scan yields the records of a range in key order. It does not see this transaction's own
	// writes, and what it yields is not guarded against other writers.
	Scan(r Range) iter.Seq2[Record, error]

	// Records is Scan for a range that is small: it gives all its records at once. They belong to the
	// store, as a record's value does, and so does the slice. What a cache remembers costs no more
	// than a Get.
	Records(r Range) ([]Record, error)

	// Put and Delete take effect when the transaction commits. Deleting what does not exist is no
	// error. Bad sizes and writes inside a View are reported by View and Update.
	Put(key string, value []byte)
	Delete(key string)
}
