// Package pebble is the embedded engine of the store: one folder, one process, or nothing but memory.
//
// Pebble itself offers ordered keys, atomic batches and snapshots. This package adds revisions. The
// newest revision lies under a reserved key that every commit writes along, and each value begins with
// the revision that wrote it. A commit compares and applies under one lock, then waits for the disk
// outside of it, so that commits of many writers share one sync. What is applied is visible before it
// is durable: readers settle (see store.Snapshot), feeds show durable commits only.
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

	"midas/internal/store"
)

// Engine is a store.Engine on Pebble.
type Engine struct {
	db   *pdb.DB
	name string    // the folder, for error texts
	lock io.Closer // on the folder; nil in memory
	sync bool      // false in memory, where there is nothing to wait for
	feed *feed

	// A commit raises begun before and applied after it becomes visible. A snapshot that was taken
	// while both were equal is of exactly that revision.
	begun, applied atomic.Uint64

	syncing atomic.Int64 // commits that wait for the disk

	mu       sync.Mutex // held while a commit is compared and applied
	onCommit func(store.Revision, []store.Write)
	failed   error // the first failed write; Pebble cannot go on after that
	closed   bool
}

// Head returns the newest durable revision. It costs one atomic load.
func (e *Engine) Head() store.Revision {
	return store.Revision(e.feed.durable.Load())
}

// OnCommit sets a function that is called with every commit, in the order of revisions, before any
// snapshot shows the commit. It must be set before the first commit and must be quick, since all
// commits wait for it.
func (e *Engine) OnCommit(fn func(store.Revision, []store.Write)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onCommit = fn
}

// Snapshot implements store.Engine.
func (e *Engine) Snapshot(ctx context.Context, _ int) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	applied := e.applied.Load()
	snap := &snapshot{engine: e, snap: e.db.NewSnapshot()}
	if e.begun.Load() == applied {
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

// Commit implements store.Engine. The context is looked at before the commit begins and not after,
// so that the caller always learns how it ended.
func (e *Engine) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	batch := e.db.NewBatch()
	rev, err := e.apply(batch, c)
	if err != nil {
		batch.Close()
		return 0, err
	}
	if e.sync {
		e.syncing.Add(1)
		err := batch.SyncWait()
		e.syncing.Add(-1)
		if err != nil {
			return 0, e.fail(err)
		}
	}
	e.feed.advance(rev)
	if err := batch.Close(); err != nil {
		return 0, fmt.Errorf("store in %s: %w", e.name, err)
	}
	return rev, nil
}

// A crowd of commits shares a sync better if that waits a little for those who are about to come: with
// 64 writers on two cores behind HTTP, an eighth more commits a second. Who writes alone never waits.
const (
	crowd     = 8
	crowdWait = 300 * time.Microsecond
)

// syncInterval is how much time Pebble lets pass between two syncs of its log.
func (e *Engine) syncInterval() time.Duration {
	if e.syncing.Load() < crowd {
		return 0
	}
	return crowdWait
}

// apply is the critical section of a commit.
func (e *Engine) apply(batch *pdb.Batch, c store.Commit) (store.Revision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		return 0, e.failed
	}
	if err := e.compare(c); err != nil {
		return 0, err
	}
	rev := store.Revision(e.applied.Load() + 1)
	if err := fill(batch, rev, c.Writes); err != nil {
		return 0, fmt.Errorf("store in %s: %w", e.name, err)
	}
	if e.onCommit != nil {
		e.onCommit(rev, c.Writes)
	}
	e.feed.append(rev, c.Writes)
	e.begun.Store(uint64(rev))
	if err := e.show(batch); err != nil {
		return 0, e.failLocked(err)
	}
	e.applied.Store(uint64(rev))
	return rev, nil
}

// show makes a batch visible. Pebble panics when its log cannot be written; a caller that recovers from
// that would find Pebble's locks held for ever, so it becomes the error that ends all writing.
func (e *Engine) show(batch *pdb.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if e.sync {
		return e.db.ApplyNoSyncWait(batch, pdb.Sync)
	}
	return e.db.Apply(batch, pdb.NoSync)
}

// compare checks the guards. Mostly the feed knows which keys were written since the snapshot; only
// when a transaction was slower than the feed is long, the database is asked.
func (e *Engine) compare(c store.Commit) error {
	if c.At == store.Revision(e.applied.Load()) {
		return nil
	}
	reaches := e.feed.reaches(c.At)
	for _, g := range c.Guards {
		if reaches {
			if e.feed.lastWrite(g.Key) > c.At {
				return store.ErrConflict
			}
			continue
		}
		rec, err := get(e.db, dataKey(nil, g.Key), g.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("store in %s: %w", e.name, err)
		}
		if rec.Revision != g.Revision {
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

// fail remembers the first failed write. From then on the engine answers reads only, and every commit
// and every wait for durability gets this error: Pebble's log is in an unknown state.
func (e *Engine) fail(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failLocked(err)
}

func (e *Engine) failLocked(err error) error {
	if e.failed == nil {
		e.failed = fmt.Errorf("store in %s takes no more writes since one has failed (is the disk full?), start again: %w", e.name, err)
		e.feed.end(e.failed)
	}
	return e.failed
}

// Watch implements store.Engine.
func (e *Engine) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return e.feed.watch(ctx, prefix, after)
}

// Close implements store.Engine.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.feed.end(store.ErrClosed)
	var err error
	if e.sync && e.failed == nil {
		err = e.db.Flush() // so that the next start has no log to read
	}
	err = errors.Join(err, e.db.Close())
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", e.name, err)
	}
	return nil
}
