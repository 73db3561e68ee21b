package store

import (
	"context"
	"errors"
	"iter"
)

// Engine is the interface of a database from which New makes a Store. Retries, limits and backoff are not its
// task: it reads one revision, and it compares and writes in one step. The interface fits three databases:
// Pebble compares under this program's own lock, etcd turns guards into the compares of one Txn, and
// PostgreSQL first locks a head table of one row. An Engine is safe for concurrent use. New's Store never
// calls it after Close.
type Engine interface {
	// Snapshot begins to read one revision, not older than any commit that was acknowledged before
	// the call. attempt counts how often the same transaction has run without success. An engine
	// may serve attempt 0 from a cache that can turn out to be outdated, but no later attempt.
	Snapshot(ctx context.Context, attempt int) (Snapshot, error)

	// Commit checks the guards and applies the writes in one step, as one new revision. It returns when
	// the revision is durable. If a guard does not hold, it returns ErrConflict and changes nothing.
	Commit(ctx context.Context, c Commit) (Revision, error)

	// Watch is Store.Watch. It shows only durable commits. It sets Change.Last.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error]

	// Close frees the engine and ends every Watch with ErrClosed.
	Close() error
}

// Embedded is an Engine whose only writer is this process, so that a cache can be exact.
type Embedded interface {
	Engine

	// Head returns the newest durable revision. It costs no more than an atomic load.
	Head() Revision

	// OnCommit sets the function that the engine calls with every commit, in the order of revisions,
	// before any Snapshot or Head shows the commit. There is one such function, and it is set before the
	// first use. It must be quick and must not call the engine, because all commits wait for it.
	OnCommit(fn func(Revision, []Write))
}

// Shared is an Engine whose database other processes write too. Follow makes of it what an Embedded engine is to a
// cache.
type Shared interface {
	Engine

	// Newest returns the revision of the newest commit. It is at least that of every commit that anyone was
	// told of before the call: one linearizable read.
	Newest(ctx context.Context) (Revision, error)
}

// Pinner is a Shared engine that can read an earlier revision. It is optional. With it, a Follower reads exactly the
// revision that its feed has reached, so a read that the cache lacks waits neither for the feed nor for a quorum.
type Pinner interface {
	// SnapshotAt begins to read the revision of a commit. A read returns ErrStale if the database has that
	// revision no longer. attempt is that of Engine.Snapshot: an engine that keeps no earlier revisions may begin a
	// later attempt at a newer one.
	SnapshotAt(ctx context.Context, at Revision, attempt int) (Snapshot, error)
}

// HeadComparer is a Shared engine that obeys Commit.Newest, and that compares all guards with what the database has, so
// that a guard need not have held at Commit.At. It is optional. With it, a transaction whose replica writes alone for the
// moment need not ask for the newest revision, because its commit compares it, and PresumeAbsent saves a read.
type HeadComparer interface {
	// ComparesHead does nothing. It marks the type.
	ComparesHead()
}

// ErrOvertaken is the error of a Commit that has Newest, and before which another commit came. The transaction runs
// again; callers of a Store never see this error.
var ErrOvertaken = errors.New("store: another commit came first")

// ErrStale is the error of a Snapshot that can no longer show one single revision, because a commit has
// overtaken an optimistic cache or the database has removed that revision. The transaction runs
// again on a new snapshot; callers of a Store never see this error.
var ErrStale = errors.New("store: snapshot outdated")

// Snapshot shows one revision. It is for one goroutine.
type Snapshot interface {
	// Revision returns the revision that Get and Scan have shown so far.
	Revision() Revision

	// Get returns ErrNotFound if there is no such key at this revision.
	Get(ctx context.Context, key string) (Record, error)

	// Scan may be nested in another Scan, and Get may be called while it runs.
	Scan(ctx context.Context, r Range) iter.Seq2[Record, error]

	// Settle waits until all writes that were read are durable, so that no caller uses a write that a
	// crash could undo. Engines that show durable writes only return nil at once.
	Settle(ctx context.Context) error

	// Close is called once.
	Close()
}

// Lister is a Snapshot that can return a whole Scan at once, which saves the caller's loop if the records
// are already in memory. It is optional: without it, a transaction collects the records of Scan.
type Lister interface {
	Snapshot

	// Records returns the records of Scan, in its order. The slice is shared and must not be modified.
	Records(ctx context.Context, r Range) ([]Record, error)
}

// Commit has the guards and writes of one transaction.
type Commit struct {
	At     Revision // the snapshot's revision; at that revision all guards did hold, unless the engine is a HeadComparer
	Guards []Guard
	Writes []Write // in key order, each key once, never empty

	// Newest requires that no commit came after At. Only a HeadComparer gets it.
	Newest bool
}

// Guard requires that a key was last written by exactly this revision; 0 requires that the key is absent.
type Guard struct {
	Key      string
	Revision Revision
}

// Write puts or deletes one key. Engines and feeds share Value and never modify it.
type Write struct {
	Key    string
	Value  []byte
	Delete bool
}
