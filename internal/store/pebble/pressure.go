package pebble

import (
	"context"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
)

// pressure slows commits down if Pebble cannot flush or compact as fast as they arrive. Pebble would do that
// itself, but with its locks held, so a commit that waits for a failed flush would wait forever.
type pressure struct {
	memory    atomic.Uint64         // bytes that are not flushed, at the last measurement
	sublevels atomic.Int64          // sublevels of level 0, at the last measurement
	cause     atomic.Pointer[error] // the error of the last compaction; nil if it succeeded
}

const (
	mostMemTables = 4  // limit of memory, in sizes of one write table
	mostSublevels = 12 // limit of sublevels; Pebble's default
	pressureWait  = 5 * time.Millisecond
	gaugeEvery    = 100 * time.Millisecond
)

// listen records the results of Pebble's compactions.
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

// failure returns the reason why waiting does not help, or nil if it may help.
func (p *pressure) failure() error {
	if cause := p.cause.Load(); cause != nil && p.congested() {
		return *cause
	}
	return nil
}

// admit waits until a commit may proceed. It returns an error if ctx ends or if waiting does not help.
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

// gauge measures the pressure until the engine ends. It skips the measurement if there were no commits.
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
