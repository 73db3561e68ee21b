// Package pebble is the embedded engine of the store. It keeps the store in one folder, which one process may
// use, or in memory.
//
// Pebble itself offers ordered keys, atomic batches and snapshots. This package adds revisions. Every commit
// also writes the newest revision under a reserved key, and each value begins with the revision that wrote
// it. A commit compares and applies under one lock, then waits for the disk without the lock, so that commits
// of many writers share one sync. A commit is visible before it is durable: readers settle (see
// store.Snapshot), and feeds show durable commits only.
package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"midas/internal/store"
)

// Engine is a store.Engine on Pebble.
type Engine struct {
	gen     atomic.Pointer[generation]
	name    string    // the folder, for error texts
	lock    io.Closer // on the folder; nil in memory
	sync    bool      // whether commits wait for the disk; false in memory
	feed    *feed
	options Options
	base    vfs.FS

	syncing atomic.Int64 // commits that wait for the disk

	commits  sync.Mutex // held while a commit is compared and applied
	onCommit func(store.Revision, []store.Write)
	newest   store.Revision // the revision of the last commit
	closed   bool

	// State of watchOver, see repair.go.
	failed      atomic.Pointer[error]
	failures    atomic.Uint64
	broken      chan struct{}
	retired     []*generation
	abandoned   int      // consecutive failed openings
	lost        []string // the keys that lost commits have written, until undo has committed
	stop, ended chan struct{}
}

// Head returns the newest durable revision. It costs one atomic load.
func (e *Engine) Head() store.Revision {
	return store.Revision(e.feed.durable.Load())
}

// OnCommit sets a function that is called with every commit, in the order of revisions, before any
// snapshot shows the commit. It must be set before the first commit and must be quick, since all
// commits wait for it.
func (e *Engine) OnCommit(fn func(store.Revision, []store.Write)) {
	e.commits.Lock()
	defer e.commits.Unlock()
	e.onCommit = fn
}

// Snapshot implements store.Engine.
func (e *Engine) Snapshot(ctx context.Context, _ int) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g := e.current()
	applied := g.applied.Load()
	snap := &snapshot{engine: e, gen: g, snap: g.db.NewSnapshot()}
	if g.begun.Load() == applied {
		snap.revision = store.Revision(applied)
		return snap, nil
	}
	head, err := readHead(snap.snap)
	if err != nil {
		snap.Close()
		return nil, fmt.Errorf("store in %s: %w", e.name, err)
	}
	snap.revision = head
	return snap, nil
}

// Commit implements store.Engine. It checks the context before the commit begins and not later, so that the
// caller always learns the result.
func (e *Engine) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if cause := e.failed.Load(); cause != nil {
		return 0, e.unavailable(*cause)
	}
	g := e.current()
	defer g.release()
	if g.stalled() {
		if err := g.admit(ctx); err != nil {
			return 0, e.unavailable(err)
		}
	}
	batch := g.db.NewBatch()
	rev, err := e.apply(g, batch, c)
	if err != nil {
		batch.Close()
		return 0, err
	}
	if e.sync {
		e.syncing.Add(1)
		err := batch.SyncWait()
		e.syncing.Add(-1)
		if err == nil {
			err = g.broken() // the fence hides a failed write from Pebble's log
		}
		if err != nil {
			return 0, e.unavailable(err)
		}
	}
	e.feed.advance(rev)
	if err := batch.Close(); err != nil {
		return 0, fmt.Errorf("store in %s: %w", e.name, err)
	}
	return rev, nil
}

// If at least crowd commits wait for the disk, the next sync is delayed by crowdWait, so that more commits
// share it: with 64 writers on two cores behind HTTP this makes an eighth more commits a second. With fewer
// writers there is no delay.
const (
	crowd     = 8
	crowdWait = 300 * time.Microsecond
)

// syncInterval returns the minimum time between two syncs of Pebble's log.
func (e *Engine) syncInterval() time.Duration {
	if e.syncing.Load() < crowd {
		return 0
	}
	return crowdWait
}

// apply is the critical section of a commit.
func (e *Engine) apply(g *generation, batch *pdb.Batch, c store.Commit) (store.Revision, error) {
	e.commits.Lock()
	defer e.commits.Unlock()
	if err := g.broken(); err != nil {
		return 0, e.unavailable(err)
	}
	if e.gen.Load() != g {
		return 0, store.ErrConflict // the generation was replaced meanwhile
	}
	if g.readOnly {
		return 0, e.unavailable(errReadOnly)
	}
	if err := e.compare(g, c); err != nil {
		return 0, err
	}
	rev := e.newest + 1
	if err := fill(batch, rev, c.Writes); err != nil {
		return 0, fmt.Errorf("store in %s: %w", e.name, err)
	}
	if e.onCommit != nil {
		e.onCommit(rev, c.Writes)
	}
	e.feed.append(rev, c.Writes)
	e.newest = rev
	g.begun.Store(uint64(rev))
	if err := e.show(g, batch); err != nil {
		if g.fence == nil {
			e.die(err.Error())
		}
		g.fence.fail(err)
		return 0, e.unavailable(err)
	}
	g.applied.Store(uint64(rev))
	return rev, nil
}

var errReadOnly = errors.New("it is open for reading only, after a failed write")

// show makes a batch visible. After a panic Pebble still holds its locks, so a panic counts as a failed write:
// nothing more is written to this generation.
func (e *Engine) show(g *generation, batch *pdb.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if e.sync {
		return g.db.ApplyNoSyncWait(batch, pdb.Sync)
	}
	return g.db.Apply(batch, pdb.NoSync)
}

// current returns the generation to read and to write. The caller must release it.
func (e *Engine) current() *generation {
	for {
		g := e.gen.Load()
		g.refs.Add(1)
		if e.gen.Load() == g {
			return g
		}
		g.release() // the generation was replaced meanwhile
	}
}

// compare checks the guards. Usually the feed has all keys that were written since the snapshot. compare reads
// the database only for a transaction that is older than the feed.
func (e *Engine) compare(g *generation, c store.Commit) error {
	if c.At == e.newest {
		return nil
	}
	reaches := e.feed.reaches(c.At)
	for _, guard := range c.Guards {
		if reaches {
			if e.feed.lastWrite(guard.Key) > c.At {
				return store.ErrConflict
			}
			continue
		}
		rec, err := get(g.db, dataKey(nil, guard.Key), guard.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("store in %s: %w", e.name, err)
		}
		if rec.Revision != guard.Revision {
			return store.ErrConflict
		}
	}
	return nil
}

func fill(batch *pdb.Batch, rev store.Revision, writes []store.Write) error {
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(rev))
	for _, w := range writes {
		if w.Delete {
			op := batch.DeleteDeferred(1 + len(w.Key))
			dataKey(op.Key[:0], w.Key)
			if err := op.Finish(); err != nil {
				return err
			}
			continue
		}
		op := batch.SetDeferred(1+len(w.Key), len(stamp)+len(w.Value))
		dataKey(op.Key[:0], w.Key)
		copy(op.Value[copy(op.Value, stamp[:]):], w.Value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return batch.Set(headKey, stamp[:], nil)
}

// Watch implements store.Engine.
func (e *Engine) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return e.feed.watch(ctx, prefix, after)
}

// Close implements store.Engine.
func (e *Engine) Close() error {
	e.commits.Lock()
	if e.closed {
		e.commits.Unlock()
		return nil
	}
	e.closed = true
	e.commits.Unlock()
	e.feed.end(store.ErrClosed)
	close(e.stop)
	<-e.ended
	g := e.gen.Load()
	var err error
	if e.sync && g.broken() == nil && !g.readOnly {
		err = g.flush() // so that the next start has no log to replay
	}
	if failed := g.broken(); failed != nil {
		err = errors.Join(err, failed)
	}
	g.release()
	if g.broken() == nil {
		<-g.closed
		err = errors.Join(err, g.err)
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", e.name, err)
	}
	return nil
}
