package pebble

import (
	"context"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
)

// pressure slows commits down when Pebble cannot flush or compact as fast as they come. Pebble would do
// that itself, but with its locks held, so that a commit which waits for a flush that has failed could
// never be told.
type pressure struct {
	memory    atomic.Uint64         // bytes that are not flushed, as of a moment ago
	sublevels atomic.Int64          // of level 0, likewise
	cause     atomic.Pointer[error] // why compactions fail; nil if the last one did not
}

const (
	mostMemTables = 4  // times the size of one, that are not flushed
	mostSublevels = 12 // as is Pebble's default
	pressureWait  = 5 * time.Millisecond
	gaugeEvery    = 100 * time.Millisecond
)

// listen has Pebble tell what counts.
func (p *pressure) listen(events *pdb.EventListener, s *scheduler) {
	events.CompactionEnd = func(info pdb.CompactionInfo) {
		if info.Err == nil {
			p.cause.Store(nil)
			s.succeeded()
			return
		}
		p.cause.Store(&info.Err)
		s.failed()
	}
}

// stalled reports whether a commit has to wait.
func (g *generation) stalled() bool {
	return g.pressure.memory.Load() > mostMemTables*g.memTable || g.pressure.congested()
}

func (p *pressure) congested() bool { return p.sublevels.Load() >= mostSublevels }

// failure is why waiting does not help; nil if it may.
func (p *pressure) failure() error {
	if cause := p.cause.Load(); cause != nil && p.congested() {
		return *cause
	}
	return nil
}

// admit waits until a commit may go on.
func (g *generation) admit(ctx context.Context) error {
	for g.stalled() && g.failure() == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pressureWait):
		}
	}
	return g.failure()
}

// gauge measures the pressure until the engine ends, as long as something is written.
func (e *Engine) gauge() {
	tick := time.NewTicker(gaugeEvery)
	defer tick.Stop()
	for seen := store.Revision(0); ; {
		select {
		case <-e.stop:
			return
		case <-tick.C:
		}
		g := e.current()
		if head := e.Head(); (head != seen || g.stalled()) && !g.readOnly && g.broken() == nil {
			seen = head
			m := g.db.Metrics()
			g.pressure.memory.Store(m.MemTable.Size)
			g.pressure.sublevels.Store(int64(m.Levels[0].Sublevels))
		}
		g.release()
	}
}
