package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestFollowerPassesTheConformanceSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return newShared(t).replica(t) })
}

func TestFollowerWithoutACachePassesTheConformanceSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		st := store.New(store.Follow(newShared(t).link(), store.FollowOptions{}), store.Options{})
		t.Cleanup(func() { _ = st.Close() })
		return st
	})
}

func TestReplicasShareOneStore(t *testing.T) {
	storetest.RunShared(t, func(t testing.TB) (a, b store.Store) {
		e := newShared(t)
		return e.replica(t), e.replica(t)
	})
}

// No View shows less than what was acknowledged on any replica before it began, and no Recent less than what the same
// replica has acknowledged, while the feeds are slow, lose commits and break.
func TestReadsOfReplicasAreLinearizable(t *testing.T) {
	e := newShared(t)
	replicas := []*replica{e.replica(t), e.replica(t), e.replica(t)}
	var acknowledged atomic.Int64
	var own [3]atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i, r := range replicas {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				checkReads(t, r, &acknowledged, &own[i])
			}
		})
	}
	for n := range 200 {
		i := n % 3
		if n%20 == 10 { // the next write after this one comes from a third replica, and reveals the gap
			replicas[(n+2)%3].link.set(func(l *link) { l.skip = 1 })
		}
		writeKey(t, replicas[i], "n", strconv.Itoa(n+1))
		raise(&acknowledged, int64(n+1))
		raise(&own[i], int64(n+1))
		if n%20 == 0 {
			replicas[i].link.set(func(l *link) { l.delay = time.Duration(n%3) * time.Millisecond })
		}
	}
	close(stop)
	wg.Wait()
	if replicas[0].follower.Reloads()+replicas[1].follower.Reloads()+replicas[2].follower.Reloads() == 0 {
		t.Error("no feed has noticed that commits were left out")
	}
}

func raise(n *atomic.Int64, to int64) {
	for now := n.Load(); now < to && !n.CompareAndSwap(now, to); {
		now = n.Load()
	}
}

func checkReads(t *testing.T, r *replica, acknowledged, own *atomic.Int64) {
	for _, read := range []struct {
		name  string
		begin func(context.Context, func(store.Tx) error) error
		least int64
	}{{"View", r.View, acknowledged.Load()}, {"Recent", r.Recent, own.Load()}} {
		value, err := valueIn(t.Context(), read.begin, "n")
		if errors.Is(err, store.ErrOutdated) {
			continue
		}
		n, _ := strconv.ParseInt("0"+value, 10, 64)
		if err != nil || n < read.least {
			t.Errorf("%s shows %d, but %d was acknowledged before: %v", read.name, n, read.least, err)
		}
	}
}

func TestRecentIsAtMostOneSecondOldOrAnError(t *testing.T) {
	for name, fault := range map[string]func(*link){
		"partition": func(l *link) { l.cut = true },
		"deaf feed": func(l *link) { l.deaf = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newShared(t)
				a, b := e.replica(t), e.replica(t)
				writeKey(t, a, "k", "old")
				if got, err := valueIn(t.Context(), b.Recent, "k"); got != "old" || err != nil {
					t.Fatalf("before: %q, %v", got, err)
				}
				time.Sleep(time.Second) // the age is known
				b.link.set(fault)
				writeKey(t, a, "k", "new")
				changed := time.Now()
				failed := false
				for time.Since(changed) < 10*time.Second {
					began := time.Since(changed)
					got, err := valueIn(t.Context(), b.Recent, "k")
					switch {
					case err != nil && (!errors.Is(err, store.ErrOutdated) || !errors.Is(err, store.ErrUnavailable)):
						t.Fatalf("after %v: %v", began, err)
					case err == nil && got == "old" && began > store.RecentAge:
						t.Fatalf("after %v Recent shows %q", began, got)
					}
					failed = failed || err != nil
					time.Sleep(50 * time.Millisecond)
				}
				if name == "partition" && !failed {
					t.Error("no Recent has failed")
				}
				b.link.set(func(l *link) { l.cut, l.deaf = false, false })
				time.Sleep(5 * time.Second)
				if got, err := valueIn(t.Context(), b.Recent, "k"); got != "new" || err != nil {
					t.Errorf("healed: %q, %v", got, err)
				}
			})
		})
	}
}

func TestViewFailsWithinItsDeadlineOrFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, b, "k", "old")
		b.link.set(func(l *link) { l.deaf = true })
		writeKey(t, a, "k", "new")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for _, test := range []struct {
			ctx  context.Context
			most time.Duration
		}{{ctx, 100 * time.Millisecond}, {t.Context(), 5 * time.Second}} {
			begin := time.Now()
			got, err := valueIn(test.ctx, b.View, "k")
			if took := time.Since(begin); took > test.most || err == nil && got != "new" || err != nil && !errors.Is(err, store.ErrOutdated) {
				t.Errorf("after %v: %q, %v", took, got, err)
			}
		}
	})
}

// A feed that stays behind is replaced within a few seconds, and then shows what it has missed.
func TestDeafFeedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, b, "k", "old")
		b.link.set(func(l *link) { l.deaf = true })
		writeKey(t, a, "k", "new")
		time.Sleep(4 * time.Second)
		if b.follower.Reloads() == 0 {
			t.Error("the feed was not replaced")
		}
		if got, err := valueIn(t.Context(), b.View, "k"); got != "new" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Whoever hears of a change reads next, and must not see the time before the change: nothing would wake it again.
func TestRecentShowsTheChangesOfAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, a, "k", "0")
		if got, err := valueIn(t.Context(), b.View, "k"); got != "0" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		b.link.set(func(l *link) { l.lag = 50 * time.Millisecond })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		after := e.Head() // before the first write
		var writing sync.WaitGroup
		defer writing.Wait()
		writing.Go(func() {
			for n := range 10 {
				writeKey(t, a, "k", strconv.Itoa(n+1))
				time.Sleep(100 * time.Millisecond)
			}
		})
		seen := 0
		for change, err := range b.Watch(ctx, "k", after) {
			if err != nil {
				t.Fatal(err)
			}
			if got, err := valueIn(ctx, b.Recent, "k"); got != string(change.Value) || err != nil {
				t.Errorf("after the change to %s: %q, %v", change.Value, got, err)
			}
			if seen++; seen == 10 {
				return
			}
		}
		t.Error("the feed has ended")
	})
}

func TestRecentUsesTheCacheWithoutAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "k", "v")
		for range 2 {
			if _, err := valueIn(t.Context(), r.Recent, "k"); err != nil {
				t.Fatal(err)
			}
		}
		asked, reads := r.link.asked, r.link.reads
		for range 1000 {
			if got, err := valueIn(t.Context(), r.Recent, "k"); got != "v" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}
		if r.link.asked != asked || r.link.reads != reads {
			t.Errorf("%d questions, %d snapshots", r.link.asked-asked, r.link.reads-reads)
		}
	})
}

func TestWaitingViewsShareOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "k", "v")
		slow := make(chan struct{})
		before := r.link.asked
		r.link.set(func(l *link) { l.slow = slow })
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if got, err := valueIn(t.Context(), r.View, "k"); got != "v" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(slow)
		wg.Wait()
		if asked := r.link.asked - before; asked > 3 {
			t.Errorf("1,000 views asked %d times", asked)
		}
	})
}

func TestCacheForgetsEverythingWhenTheFeedBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		for i := range 20 {
			writeKey(t, a, fmt.Sprintf("a/%d", i), "v")
			if _, err := valueIn(t.Context(), b.View, fmt.Sprintf("a/%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if b.cache.Stats().Entries != 20 {
			t.Fatalf("%+v", b.cache.Stats())
		}
		b.link.set(func(l *link) { l.skip = 1 })
		writeKey(t, a, "a/1", "lost")
		writeKey(t, a, "a/2", "seen")
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		if got := b.cache.Stats(); got.Entries != 0 || got.Bytes != 0 || b.follower.Reloads() != 1 {
			t.Errorf("%+v after %d reloads", got, b.follower.Reloads())
		}
		if got, err := valueIn(t.Context(), b.View, "a/1"); got != "lost" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
