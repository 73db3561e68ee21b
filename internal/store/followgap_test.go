package store_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A database that takes long to answer is asked less often, and no reader waits for long because of that.
func TestQuestionsOfManyReadersAreSpaced(t *testing.T) {
	for name, tt := range map[string]struct {
		takes   time.Duration
		most    int           // questions in a second
		longest time.Duration // of a read
	}{
		"slow answers": {2 * time.Millisecond, 402, 5 * time.Millisecond},
		"slower ones":  {20 * time.Millisecond, 51, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newShared(t).replica(t)
				writeKey(t, r, "k", "v")
				r.link.set(func(l *link) { l.takes = tt.takes })
				time.Sleep(time.Second)
				before := r.follower.Probes()
				var group sync.WaitGroup
				for range 4000 { // in a second
					group.Go(func() {
						begin := time.Now()
						if _, err := valueIn(t.Context(), r.View, "k"); err != nil || time.Since(begin) > tt.longest {
							t.Errorf("a read took %v: %v", time.Since(begin), err)
						}
					})
					time.Sleep(250 * time.Microsecond)
				}
				group.Wait()
				if asked := int(r.follower.Probes() - before); asked > tt.most || asked == 0 {
					t.Errorf("%d questions", asked)
				}
			})
		})
	}
}

// A reader that is alone waits for the answer and for nothing else.
func TestAReaderThatIsAloneWaitsForNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "k", "v")
		time.Sleep(time.Second)
		r.link.set(func(l *link) { l.takes = 300 * time.Microsecond })
		begin := time.Now()
		const reads = 100
		for range reads {
			if _, err := valueIn(t.Context(), r.View, "k"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > reads*300*time.Microsecond {
			t.Errorf("%d reads took %v", reads, took)
		}
	})
}
