package replica_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/replica"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// registry starts a replica whose wall clock is ahead of that of the test. end ends it; cut off, its record stays.
func registry(t *testing.T, st store.Store, id string, ahead time.Duration) (r *replica.Registry, end func()) {
	t.Helper()
	now := func() time.Time { return time.Now().Round(0).Add(ahead) }
	r = &replica.Registry{Store: st, ID: id, Addresses: []string{"https://" + id}, Version: "test", Now: now, Log: quiet}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run of %s: %v", id, err)
		}
	})
	return r, func() { stop(); running.Wait() }
}

func live(r *replica.Registry) []string {
	all := r.Live()
	slices.Sort(all)
	return all
}

func TestReplicasKnowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		a, endA := registry(t, st, "a", 0)
		b, endB := registry(t, st, "b", time.Hour) // no clock of another replica decides who is alive
		dying := &unplugged{Store: st}
		_, endC := registry(t, dying, "c", -time.Hour)
		time.Sleep(2 * replica.GoneAfter)
		synctest.Wait()
		all := []string{"https://a", "https://b", "https://c"}
		if got := live(a); !slices.Equal(got, all) || a.Live()[0] != "https://a" || a.Size() != 3 {
			t.Errorf("a sees %v", got)
		}
		if got := live(b); !slices.Equal(got, all) {
			t.Errorf("b sees %v", got)
		}
		dying.cut(true)
		endC() // as kill -9: the record stays
		time.Sleep(replica.GoneAfter - 2*replica.SeenEvery)
		if got := live(b); len(got) != 3 {
			t.Errorf("b sees %v before replica.GoneAfter is over", got)
		}
		time.Sleep(3 * replica.SeenEvery)
		if got := live(b); !slices.Equal(got, all[:2]) {
			t.Errorf("b sees %v, want a and b", got)
		}
		endB()
		synctest.Wait()
		if got := live(a); !slices.Equal(got, all[:1]) {
			t.Errorf("a sees %v after b has left", got)
		}
		time.Sleep(12 * replica.GoneAfter)
		synctest.Wait()
		if n := count(t, st); n != 1 {
			t.Errorf("%d records, want that of a: the others are gone for long", n)
		}
		endA()
	})
}

func count(t *testing.T, st store.Store) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		n = 0
		for range tx.Scan(store.Range{Prefix: store.ReplicaKind.Keys}) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEarliestIsTheSlowestClock(t *testing.T) {
	for name, tt := range map[string]struct {
		other    time.Duration // how much the clock of the other replica is ahead
		heldBack time.Duration
		agree    bool
	}{
		"the clocks agree":          {0, 0, true},
		"a little behind":           {-time.Minute, time.Minute, true},
		"the other's is behind":     {-time.Hour, time.Hour, false},
		"the other's is ahead":      {time.Hour, 0, false},
		"the other's is in 1970":    {-50 * 365 * 24 * time.Hour, 3 * time.Hour, false},
		"the other's is years away": {50 * 365 * 24 * time.Hour, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := storetest.Memory(t)
				a, endA := registry(t, st, "a", 0)
				_, endB := registry(t, st, "b", tt.other)
				time.Sleep(3 * replica.SeenEvery)
				synctest.Wait()
				now := time.Now()
				if got := now.Sub(a.Earliest(now)); got != tt.heldBack {
					t.Errorf("held back by %s, want %s", got, tt.heldBack)
				}
				if got := a.ClocksAgree(); got != tt.agree {
					t.Errorf("ClocksAgree is %t", got)
				}
				endB()
				synctest.Wait()
				if got := a.Earliest(now); !got.Equal(now) || !a.ClocksAgree() {
					t.Errorf("a replica that has left still counts: %s", now.Sub(got))
				}
				endA()
			})
		})
	}
}
