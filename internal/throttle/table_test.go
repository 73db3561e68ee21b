package throttle_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/throttle"
)

// clock is a clock that tests can set.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1_800_000_000, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func newTable(buckets int) (*throttle.Table, *clock) {
	c := &clock{}
	return &throttle.Table{Now: c.Now, Buckets: buckets}, c
}

func TestBucketRefills(t *testing.T) {
	table, clock := newTable(0)
	c := table.Charge(throttle.Rule{Name: "r", Burst: 3, Refill: 2 * time.Second}, "a")
	for i := range 3 {
		if wait := table.Take(c); wait != 0 {
			t.Fatalf("try %d waits %s", i, wait)
		}
	}
	if wait := table.Take(c); wait != 2*time.Second {
		t.Errorf("the fourth waits %s, want 2s", wait)
	}
	clock.advance(time.Second)
	if wait := table.Wait(c); wait != time.Second {
		t.Errorf("a second later: %s, want 1s", wait)
	}
	clock.advance(time.Second)
	if wait := table.Take(c); wait != 0 {
		t.Errorf("after the wait: %s", wait)
	}
	table.Return(c)
	if wait := table.Take(c); wait != 0 {
		t.Errorf("after a return: %s", wait)
	}
	for range 10 {
		table.Count(c)
	}
	if wait := table.Wait(c); wait != 2*time.Second {
		t.Errorf("after many counts: %s, want 2s", wait)
	}
	clock.advance(6 * time.Second)
	if n := table.Len(); n != 0 {
		t.Errorf("%d buckets after their time", n)
	}
}

func TestTakeIsAllOrNothing(t *testing.T) {
	table, _ := newTable(0)
	small := table.Charge(throttle.Rule{Name: "small", Burst: 1, Refill: time.Second}, "a")
	large := table.Charge(throttle.Rule{Name: "large", Burst: 2, Refill: time.Second}, "a")
	table.Take(small)
	for range 5 {
		if table.Take(large, small) == 0 {
			t.Fatal("an empty bucket gave a token")
		}
	}
	for range 2 {
		if table.Take(large) != 0 {
			t.Error("a refusal was counted")
		}
	}
}

// TestConcurrentTakesNeverExceedTheBurst checks that concurrent calls do not take more tokens than the bucket has.
func TestConcurrentTakesNeverExceedTheBurst(t *testing.T) {
	table, _ := newTable(0)
	var taken atomic.Int64
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if table.Take(table.Charge(throttle.Rule{Name: "r", Burst: 20, Refill: time.Hour}, "a")) == 0 {
				taken.Add(1)
			}
		})
	}
	group.Wait()
	if taken.Load() != 20 {
		t.Errorf("%d were taken, want 20", taken.Load())
	}
}

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	table, _ := newTable(0)
	rule := throttle.Rule{Name: "r", Burst: 1, Refill: time.Hour}
	table.Take(table.Charge(rule, "ab", "c"))
	for _, parts := range [][]string{{"a", "bc"}, {"abc"}, {"ab", "c", ""}, {"", "ab", "c"}, {"ab"}} {
		if table.Wait(table.Charge(rule, parts...)) != 0 {
			t.Errorf("%q has the bucket of another key", parts)
		}
	}
	if table.Wait(table.Charge(throttle.Rule{Name: "ra", Burst: 1, Refill: time.Hour}, "b", "c")) != 0 {
		t.Error("two rules share a bucket")
	}
	if table.Wait(table.Charge(rule, "ab", "c")) == 0 {
		t.Error("the same parts have another bucket")
	}
}

// TestClockSetBackDoesNotProlongAWait checks that a client waits at most as long as a bucket takes to refill.
func TestClockSetBackDoesNotProlongAWait(t *testing.T) {
	table, clock := newTable(0)
	c := table.Charge(throttle.Rule{Name: "r", Burst: 2, Refill: time.Second}, "a")
	table.Take(c)
	table.Take(c)
	clock.advance(-24 * time.Hour)
	if wait := table.Wait(c); wait != time.Second {
		t.Errorf("with the clock set back a day: %s, want 1s", wait)
	}
	table.Count(c)
	clock.advance(2 * time.Second)
	if wait := table.Wait(c); wait != 0 {
		t.Errorf("after the time of a bucket: %s", wait)
	}
}

// TestTableIsBounded fills a table with more keys than it holds. Buckets at their limit stay, and no client
// is refused because of others.
func TestTableIsBounded(t *testing.T) {
	const buckets = 256
	table, clock := newTable(buckets)
	rule := throttle.Rule{Name: "r", Burst: 5, Refill: time.Minute}
	worst := table.Charge(rule, "worst")
	for range 5 {
		table.Take(worst)
	}
	for i := range 50_000 {
		if wait := table.Take(table.Charge(rule, fmt.Sprint(i))); wait != 0 {
			t.Fatalf("key %d waits %s because of others", i, wait)
		}
	}
	if n := table.Len(); n > buckets {
		t.Errorf("%d buckets, want at most %d", n, buckets)
	}
	if table.Wait(worst) == 0 {
		t.Error("the bucket at its limit was replaced")
	}
	clock.advance(5 * time.Minute)
	if n := table.Len(); n != 0 {
		t.Errorf("%d buckets after their time, want none", n)
	}
}

// TestTableDoesNotStoreKeys uses long keys and checks that the memory does not grow.
func TestTableDoesNotStoreKeys(t *testing.T) {
	table, _ := newTable(1 << 12)
	rule := throttle.Rule{Name: "r", Burst: 5, Refill: time.Hour}
	table.Take(table.Charge(rule, "first"))
	before := heap()
	for i := range 4_000 {
		body := strings.Repeat(fmt.Sprint(i), 16<<10)
		table.Take(table.Charge(rule, body[:200], body[200:400]))
	}
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	runtime.KeepAlive(table)
}

// heap is the number of live bytes on the heap.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestSourcesAreAddressAndNetwork(t *testing.T) {
	tests := []struct {
		a, b             string
		address, network bool // the same
	}{
		{"192.0.2.1", "192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.2", false, true},
		{"192.0.2.1", "192.0.3.1", false, false},
		{"192.0.2.1", "::ffff:192.0.2.1", true, true},
		{"192.0.2.1", "::192.0.2.1", false, false},
		{"2001:db8::1", "2001:db8::ffff:1", true, true},
		{"2001:db8::1", "2001:db8::1%eth0", true, true},
		{"2001:db8::1", "2001:db8:0:1::1", false, true},
		{"2001:db8::1", "2001:db8:1::1", false, false},
		{"0.0.0.0", "::", false, false},
		{"@", "@", true, true},
		{"@", "pipe", false, false},
		{"", "0.0.0.0", false, false},
	}
	for _, test := range tests {
		a, b := throttle.SourceOf(test.a), throttle.SourceOf(test.b)
		if got := a.Address() == b.Address(); got != test.address {
			t.Errorf("%s and %s are one address: %v", test.a, test.b, got)
		}
		if got := a.Network() == b.Network(); got != test.network {
			t.Errorf("%s and %s are one network: %v", test.a, test.b, got)
		}
	}
}
