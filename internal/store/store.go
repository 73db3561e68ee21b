// Package store holds all state of Midas: an ordered map from keys to values with
// transactions and a change feed.
//
// An engine (Pebble, etcd, PostgreSQL) offers four primitives; conflict detection, retries, limits
// and caching are implemented once, in this package. Every successful Update has a Revision; revisions of one
// store are ordered. A transaction is optimistic: each Get of an Update is recorded and
// checked at commit, and the function runs again if another writer has changed a key. A Scan is not checked:
// a transaction that must guard a set of keys gets the parent record of the set, and a transaction that
// deletes the set puts that parent.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Revision orders the committed transactions of one store: a later commit has a greater revision. An engine that
// shares its database with other programs may leave numbers out (etcd does). 0 is the empty store.
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
	After   string // only keys after it (before it, if Reverse); the empty string means all
	Limit   int    // the maximum number of records; 0 means all
	Reverse bool   // from the last key to the first
}

// Change is one key's new state in the change feed. All changes of one commit carry its revision. An engine may make one
// commit of the feed, with one revision, of several transactions that do not meet.
type Change struct {
	Revision Revision
	Key      string // empty in a feed of all keys if the commit has changed nothing
	Value    []byte // nil if Deleted
	Deleted  bool

	// Last reports that this is the last change of its commit. Only a feed of all keys, whose prefix is empty, sets it.
	Last bool
}

// Limits of every engine; the strictest engine (etcd) sets them for all. etcd takes 128 puts in one transaction, and
// the engine itself needs one of them.
const (
	MaxOperations  = 127       // distinct keys that one Update may get, put and delete
	MaxTransaction = 1_500_000 // bytes of keys and values that one Update may write, with the keys that it got
	MaxKey         = 4 << 10   // bytes of one key
	MaxValue       = 1 << 20   // bytes of one value
)

// The errors that callers distinguish with errors.Is.
var (
	ErrNotFound  = errors.New("store: key not found")
	ErrConflict  = errors.New("store: too much contention, try again") // other writers changed a key in every attempt
	ErrTooLarge  = errors.New("store: transaction, key or value too large")
	ErrReadOnly  = errors.New("store: write inside a view")
	ErrCompacted = errors.New("store: the change feed no longer reaches back that far")
	ErrClosed    = errors.New("store: closed")

	// ErrUnavailable means that the engine cannot write, because its disk is full or fails, or that its database
	// cannot be reached or has no quorum, and then reads may fail with it too. A write that returned it may still
	// have happened.
	ErrUnavailable = errors.New("store: no writes are accepted at the moment")

	// ErrOutdated is the error of a read on a replica that does not know whether what it has read is current,
	// because it has not heard from the database for too long. It is ErrUnavailable too.
	ErrOutdated = fmt.Errorf("store: what this replica knows may be outdated: %w", ErrUnavailable)
)

// Store is safe for concurrent use.
type Store interface {
	// View runs fn on one revision of the store: all records that fn reads are of the same revision. fn
	// may run more than once, so it must set its results and not append to them. The revision is fresh: it
	// has at least all that anyone, on any replica, was told of before the call. If that cannot be learned,
	// View returns ErrOutdated.
	View(ctx context.Context, fn func(Tx) error) error

	// Recent is View without a question to the database if the cache has the records: for tokens and for
	// authorization, which must be quick. The revision is at most RecentAge old, and has at least all that was
	// acknowledged on this replica before the call. If the replica does not know that, Recent returns
	// ErrOutdated. If fn returns an error, it runs again as in View, and the error of that run counts: a refusal is
	// never older than the request. In a store that only this process writes, Recent is View.
	Recent(ctx context.Context, fn func(Tx) error) error

	// Update runs fn on a fresh revision and commits its writes atomically and durably: when Update returns nil,
	// they survive a crash. It runs fn again if another writer has changed a key that fn got, and returns
	// ErrConflict after many such attempts. An error of fn is returned unchanged, and nothing is
	// written. An Update that writes nothing commits nothing and returns the revision that it has read.
	Update(ctx context.Context, fn func(Tx) error) (Revision, error)

	// Watch yields the changes after a revision, in order, without gaps, when Recent shows them, until ctx ends or the
	// consumer stops. It yields ErrCompacted, once and last, if the feed does not reach back to after, or
	// if the consumer is too slow.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error]

	// Close waits for running transactions and frees the store.
	Close() error
}

// Tx is one transaction. It must be used by one goroutine only, and not after its function has returned.
type Tx interface {
	// Get returns the record of key, or ErrNotFound. It sees this transaction's own writes.
	Get(key string) (Record, error)

	// Scan yields the records of a range in key order. It does not see this transaction's own writes,
	// and the records are not guarded: a change by another writer does not make the transaction run again.
	Scan(r Range) iter.Seq2[Record, error]

	// Records is Scan for a small range: it returns all records at once. The slice and the records belong
	// to the store and must not be modified. If the cache has them, Records costs no more than a Get.
	Records(r Range) ([]Record, error)

	// Put and Delete take effect when the transaction commits. Deleting a key that does not exist is no
	// error. View and Update return the errors for invalid sizes and for writes inside a View.
	Put(key string, value []byte)
	Delete(key string)
}
