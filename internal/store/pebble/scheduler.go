package pebble

import (
	"sync"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
)

// scheduler decides when Pebble may compact: one compaction at a time, as Pebble does by itself, but none
// in the first moments after a start. What a bulk load has left to compact would otherwise compete with
// the start for the same few cores, and make it take ten times as long.
//
// It is also the grant that it gives, for there is never more than one. Only its own goroutine calls
// the database, so that nothing does any more once Unregister has ended it.
type scheduler struct {
	db    pdb.DBForCompaction
	begun atomic.Bool  // the first moments are over
	busy  atomic.Bool  // a compaction has the grant
	fails atomic.Int64 // since the last compaction that succeeded
	pause atomic.Int64 // no compaction before, in Unix nanoseconds
	poke  chan struct{}

	stopping sync.Once
	stop     chan struct{}
	ended    chan struct{}
}

const (
	calmStart  = 2 * time.Second
	lookAround = 250 * time.Millisecond // for compactions that wait without having been noticed
)

func newScheduler() *scheduler {
	return &scheduler{poke: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
}

// Register implements pebble.CompactionScheduler.
func (s *scheduler) Register(_ int, db pdb.DBForCompaction) {
	s.db = db
	go s.run()
}

// Unregister implements pebble.CompactionScheduler.
func (s *scheduler) Unregister() {
	s.abandon()
	if s.db != nil {
		<-s.ended
	}
	s.begun.Store(false)
}

// abandon lets nothing begin any more. It is for an opening that did not succeed, whose database may have
// forgotten to unregister.
func (s *scheduler) abandon() { s.stopping.Do(func() { close(s.stop) }) }

// TrySchedule implements pebble.CompactionScheduler. It is called while Pebble holds its locks.
func (s *scheduler) TrySchedule() (bool, pdb.CompactionGrantHandle) {
	if !s.begun.Load() || s.paused() || !s.busy.CompareAndSwap(false, true) {
		return false, nil
	}
	return true, s
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (s *scheduler) UpdateGetAllowedWithoutPermission() { s.wake() }

// Done implements pebble.CompactionGrantHandle, as the next three do.
func (s *scheduler) Done() {
	s.busy.Store(false)
	s.wake()
}

// Started has nothing to do.
func (s *scheduler) Started() {}

// MeasureCPU has nothing to do.
func (s *scheduler) MeasureCPU(pdb.CompactionGoroutineKind) {}

// CumulativeStats has nothing to do.
func (s *scheduler) CumulativeStats(pdb.CompactionGrantHandleStats) {}

func (s *scheduler) wake() {
	select {
	case s.poke <- struct{}{}:
	default: // it has been told and not looked yet
	}
}

// run grants until the end.
func (s *scheduler) run() {
	defer close(s.ended)
	select {
	case <-time.After(calmStart):
	case <-s.stop:
		return
	}
	s.begun.Store(true)
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for {
		s.grant()
		select {
		case <-tick.C:
		case <-s.poke:
		case <-s.stop:
			return
		}
	}
}

// grant gives a compaction that waits, if any, its turn.
func (s *scheduler) grant() {
	if s.paused() || !s.busy.CompareAndSwap(false, true) {
		return
	}
	if waiting, _ := s.db.GetWaitingCompaction(); waiting && s.db.Schedule(s) {
		return
	}
	s.busy.Store(false)
}

// longestPause is between two tries when compactions fail, as they do on a disk that is nearly full.
const longestPause = time.Minute

func (s *scheduler) paused() bool { return time.Now().UnixNano() < s.pause.Load() }

// failed makes the next compaction wait, twice as long each time.
func (s *scheduler) failed() {
	n := min(s.fails.Add(1), 10)
	s.pause.Store(time.Now().Add(min(longestPause, time.Second<<(n-1))).UnixNano())
}

func (s *scheduler) succeeded() { s.fails.Store(0) }
