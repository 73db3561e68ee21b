package pebble

import (
	"sync"
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
)

// scheduler decides when Pebble may compact: one compaction at a time, which is Pebble's own default, but none
// for a short time (calmStart) after a start. Otherwise the compactions that a bulk load has left would use
// the same few cores as the start, which would take ten times as long.
//
// It also implements the grant of a compaction, because there is never more than one. Only its own goroutine
// calls the database, so there are no calls after Unregister has ended it.
type scheduler struct {
	db    pdb.DBForCompaction
	begun atomic.Bool  // calmStart is over
	busy  atomic.Bool  // a compaction has the grant
	fails atomic.Int64 // failed compactions since the last success
	pause atomic.Int64 // earliest time of the next compaction, in Unix nanoseconds
	poke  chan struct{}

	stopping sync.Once
	stop     chan struct{}
	ended    chan struct{}
}

const (
	calmStart  = 2 * time.Second
	lookAround = 250 * time.Millisecond // interval of the check for waiting compactions, in case a signal was missed
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

// abandon stops the scheduler. It is called after an opening that did not succeed, because Pebble may not have
// called Unregister.
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

// Done implements pebble.CompactionGrantHandle.
func (s *scheduler) Done() {
	s.busy.Store(false)
	s.wake()
}

// Started implements pebble.CompactionGrantHandle. It does nothing.
func (s *scheduler) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle. It does nothing.
func (s *scheduler) MeasureCPU(pdb.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle. It does nothing.
func (s *scheduler) CumulativeStats(pdb.CompactionGrantHandleStats) {}

func (s *scheduler) wake() {
	select {
	case s.poke <- struct{}{}:
	default: // run has not handled the previous signal yet
	}
}

// run grants compactions until stop is closed.
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

// grant starts a waiting compaction, if there is one and none is running.
func (s *scheduler) grant() {
	if s.paused() || !s.busy.CompareAndSwap(false, true) {
		return
	}
	if waiting, _ := s.db.GetWaitingCompaction(); waiting && s.db.Schedule(s) {
		return
	}
	s.busy.Store(false)
}

// longestPause is the maximum pause after a failed compaction. Compactions fail on a disk that is nearly full.
const longestPause = time.Minute

func (s *scheduler) paused() bool { return time.Now().UnixNano() < s.pause.Load() }

// failed delays the next compaction, after each failure twice as long.
func (s *scheduler) failed() {
	n := min(s.fails.Add(1), 10)
	s.pause.Store(time.Now().Add(min(longestPause, time.Second<<(n-1))).UnixNano())
}

func (s *scheduler) succeeded() { s.fails.Store(0) }
