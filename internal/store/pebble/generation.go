package pebble

import (
	"fmt"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
)

// generation is one opening of the database. Mostly there is one in the life of a process. After a
// failed write another one takes its place, and it is closed when the last who reads from it has ended.
type generation struct {
	db       *pdb.DB
	fence    *fence // nil in memory
	pressure *pressure
	memTable uint64 // bytes of one
	readOnly bool   // it shows what is on the disk, until writing is possible again

	// A commit raises begun before and applied after it becomes visible. A snapshot that was taken
	// while both were equal is of exactly that revision.
	begun, applied atomic.Uint64

	// kept is one more than the newest revision that the disk has of a generation that has failed; 0 as
	// long as that is not known.
	kept atomic.Uint64

	refs    atomic.Int64 // one for being the engine's, and one for each who uses it
	closing sync.Once
	closed  chan struct{}
	err     error // of closing; read it after closed
}

func newGeneration(db *pdb.DB, f *fence, head store.Revision) *generation {
	g := &generation{db: db, fence: f, pressure: new(pressure), closed: make(chan struct{})}
	g.begun.Store(uint64(head))
	g.applied.Store(uint64(head))
	g.refs.Store(1)
	return g
}

// failure is why this generation takes no writes; nil if it does.
func (g *generation) failure() error {
	if err := g.broken(); err != nil {
		return err
	}
	return g.pressure.failure()
}

// broken is the failed write after which this generation must be replaced, or nil.
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
				go g.close() // it may take until what stands still has ended, and has nothing to save
				return
			}
			g.close()
		})
	}
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
