package pebble

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
)

// backlog is a database with waiting compactions.
type backlog struct {
	waiting atomic.Int64
	granted chan pdb.CompactionGrantHandle
}

func (b *backlog) GetAllowedWithoutPermission() int { return 1 }

func (b *backlog) GetWaitingCompaction() (bool, pdb.WaitingCompaction) {
	return b.waiting.Load() > 0, pdb.WaitingCompaction{}
}

func (b *backlog) Schedule(h pdb.CompactionGrantHandle) bool {
	b.waiting.Add(-1)
	b.granted <- h
	return true
}

func TestCompactionsStartLateAndRunOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db := newScheduler(), &backlog{granted: make(chan pdb.CompactionGrantHandle, 10)}
		s.Register(1, db)
		db.waiting.Store(2)
		if now, _ := s.TrySchedule(); now {
			t.Error("a compaction may begin immediately after the start")
		}
		time.Sleep(calmStart - 1)
		synctest.Wait()
		if len(db.granted) != 0 {
			t.Error("a compaction has begun before the start was over")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(db.granted) != 1 {
			t.Fatalf("%d compactions run after the start, want one", len(db.granted))
		}
		if now, _ := s.TrySchedule(); now {
			t.Error("a second compaction may run beside the first")
		}
		(<-db.granted).Done()
		synctest.Wait()
		if len(db.granted) != 1 {
			t.Fatal("the end of one compaction does not begin the next")
		}
		(<-db.granted).Done()
		now, grant := s.TrySchedule()
		if !now {
			t.Fatal("a compaction may not run although none does")
		}
		db.waiting.Store(1)
		grant.Done()
		synctest.Wait()
		(<-db.granted).Done()
		db.waiting.Store(1) // without a signal
		time.Sleep(lookAround)
		synctest.Wait()
		(<-db.granted).Done()
		s.Unregister()
		db.waiting.Store(1)
		if now, _ := s.TrySchedule(); now || len(db.granted) != 0 {
			t.Error("a compaction begins after Unregister")
		}
	})
}

func TestCloseDoesNotWaitForTheCalmStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, begin := newScheduler(), time.Now()
		s.Register(1, &backlog{})
		s.Unregister()
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
