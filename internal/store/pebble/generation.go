package pebble

import (
	"fmt"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
)

// generation is one opening of the database. Usually a process has only one. After a failed write a new
// generation replaces it, and the old one is closed when its last reader has ended.
type generation struct {
	db       *pdb.DB
	fence    *fence // nil in memory
	pressure *pressure
	memTable uint64 // bytes of one write table
	readOnly bool   // open for reading only, until writing is possible again

	// A commit raises begun before and applied after it becomes visible. A snapshot that was taken
	// while both were equal shows exactly that revision.
	begun, applied atomic.Uint64

	// kept is one more than the newest revision of a failed generation that is on the disk; 0 as long as
	// that is not known.
	kept atomic.Uint64

	refs    atomic.Int64 // one for the engine, and one for each use
	closing sync.Once
	closed  chan struct{}
	err     error // the error of closing; valid after closed is closed
}

func newGeneration(db *pdb.DB, f *fence, head store.Revision) *generation {
	g := &generation{db: db, fence: f, pressure: new(pressure), closed: make(chan struct{})}
	g.begun.Store(uint64(head))
	g.applied.Store(uint64(head))
	g.refs.Store(1)
	return g
}

// failure returns the reason why this generation accepts no writes, or nil if it accepts them.
func (g *generation) failure() error {
	if err := g.broken(); err != nil {
		return err
	}
	return g.pressure.failure()
}

// broken returns the error of the failed write after which this generation must be replaced, or nil.
func (g *generation) broken() error {
	if g.fence == nil {
		return nil
	}
	return g.fence.failure()
}

// lost reports whether a revision that this generation has shown did not reach the disk.
func (g *generation) lost(rev store.Revision) bool {
	kept := g.kept.Load()
	return kept != 0 && uint64(rev) >= kept
}

// release ends a use. The last one closes the database.
func (g *generation) release() {
	if g.refs.Add(-1) == 0 {
		g.closing.Do(func() {
			if g.broken() != nil {
				go g.close() // closing may wait for blocked writes, and has nothing to save
				return
			}
			g.close()
		})
	}
}

// flush writes the newest writes into a table. If a write fails meanwhile, Pebble's flush waits for the release of the
// fence, so flush returns without an error, and broken has it.
func (g *generation) flush() error {
	flushed, err := g.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-g.fence.failed:
	}
	return nil
}

func (g *generation) close() {
	defer close(g.closed)
	defer func() {
		if r := recover(); r != nil {
			g.err = fmt.Errorf("%v", r)
		}
	}()
	if g.fence != nil {
		g.fence.release()
	}
	g.err = g.db.Close()
}
