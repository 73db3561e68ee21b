package activity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/store"
)

func refusal(caller, resource string) activity.Event {
	return activity.Event{
		TenantID: "t", SubscriptionID: "s", Caller: caller, CallerObjectID: caller, ResourceID: resource,
		Operation: "x/write", Code: 403, ErrorCode: "AuthorizationFailed", URI: resource,
	}
}

func (b *bench) refuse(t testing.TB, e activity.Event) {
	t.Helper()
	if err := b.Refuse(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// list returns all events of the log, newest first.
func (b *bench) list(t testing.TB) (all []activity.Event) {
	t.Helper()
	q := activity.Query{Since: start.Add(-time.Hour), Limit: 1000}
	for {
		page, err := b.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Events...)
		if q.After = page.Next; q.After == "" {
			return all
		}
	}
}

// keysBelow returns the number of the keys with a prefix and their size with their values in bytes.
func keysBelow(t testing.TB, st store.Store, prefix string) (n int, size int64) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		n, size = 0, 0
		for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			n++
			size += int64(len(rec.Key) + len(rec.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, size
}

func TestRefusalsOfOneKindAreCountedInOneEvent(t *testing.T) {
	b := newBench(t)
	for range 50 {
		b.now = b.now.Add(time.Second)
		b.refuse(t, refusal("alice", "/r/1"))
	}
	b.refuse(t, refusal("alice", "/R/1")) // names compare as ARM compares them
	if all := b.list(t); len(all) != 1 || all[0].Count != 1 || all[0].Status != activity.Failed {
		t.Errorf("after the first refusal the log has %+v", all)
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := b.list(t)
	if len(all) != 1 || all[0].Count != 51 || !all[0].Time.Equal(start.Add(time.Second)) || !all[0].Last.Equal(start.Add(50*time.Second)) {
		t.Errorf("%+v", all)
	}
	for name, other := range map[string]activity.Event{
		"caller": refusal("bob", "/r/1"), "resource": refusal("alice", "/r/2"),
		"outcome":   func() activity.Event { e := refusal("alice", "/r/1"); e.ErrorCode = "Other"; return e }(),
		"operation": func() activity.Event { e := refusal("alice", "/r/1"); e.Operation = "x/delete"; return e }(),
	} {
		before := len(b.list(t))
		if b.refuse(t, other); len(b.list(t)) != before+1 {
			t.Errorf("a refusal with another %s is counted in the same event", name)
		}
	}
	before := len(b.list(t))
	b.now = b.now.Add(10 * time.Minute)
	if b.refuse(t, refusal("alice", "/r/1")); len(b.list(t)) != before+1 {
		t.Error("a refusal after ten minutes is counted in the same event")
	}
}

// refusedMeanwhile is a store that records another refusal during every Update.
type refusedMeanwhile struct {
	store.Store
	log    *activity.Log
	writes int
}

func (s *refusedMeanwhile) Update(ctx context.Context, fn func(store.Tx) error) (store.Revision, error) {
	if s.writes++; s.writes > 100 {
		return 0, errors.New("too many writes")
	}
	if err := s.log.Refuse(ctx, refusal("alice", "/r/1")); err != nil {
		return 0, err
	}
	return s.Store.Update(ctx, fn)
}

// A caller who is refused all the time must not keep the log from being trimmed.
func TestFlushReturnsDuringContinuousRefusals(t *testing.T) {
	b := newBench(t)
	b.refuse(t, refusal("alice", "/r/1"))
	b.refuse(t, refusal("alice", "/r/1"))
	st := &refusedMeanwhile{Store: b.Store, log: b.Log}
	b.Store = st
	for i := range 3 {
		if err := b.Flush(t.Context()); err != nil || st.writes != i+1 {
			t.Fatalf("flush %d: %v, %d writes", i, err, st.writes)
		}
	}
	b.Store = st.Store
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := b.list(t); len(all) != 1 || all[0].Count != 5 {
		t.Errorf("%+v", all)
	}
}

// The last refusals of a window are not stored yet when the next refusal arrives.
func TestRefusalsAtTheEndOfAWindowAreCounted(t *testing.T) {
	b := newBench(t)
	refused := 0
	for range 100 {
		for range 3 { // every 18 seconds; the counts are written every 54 seconds
			b.now = b.now.Add(18 * time.Second)
			b.refuse(t, refusal("alice", "/r/1"))
			refused++
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	counted, events := 0, b.list(t)
	for _, e := range events {
		counted += int(e.Count)
	}
	if counted != refused || len(events) < 10 {
		t.Errorf("of %d refusals, %d are counted in %d events", refused, counted, len(events))
	}
}

// The test records 100,000 refusals of distinct resources for one principal, with the longest texts.
func TestRefusalFloodIsBoundedAndEvictsNoEvents(t *testing.T) {
	b := newBench(t)
	b.MaxBytes = 1 << 20
	accepted := b.record(t, activity.Event{TenantID: "t", Operation: "first"})
	long := strings.Repeat("x", 4000)
	writes := b.revision(t)
	for i := range 100_000 {
		if i%1000 == 0 {
			b.now = b.now.Add(time.Second)
		}
		b.refuse(t, refusal("mallory", fmt.Sprintf("/subscriptions/s/%d/%s", i, long)))
	}
	if err := errors.Join(b.Flush(t.Context()), b.Trim(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n := b.revision(t) - writes; n > 60 {
		t.Errorf("%d writes to the store", n)
	}
	n, size := keysBelow(t, b.Store, "xr/")
	if n > 60 || size > 1<<20/8 {
		t.Errorf("%d events of refusals, %d bytes", n, size)
	}
	total := 0
	for _, e := range b.list(t) {
		total += e.Count
		if len(e.ResourceID) > 512 || len(e.URI) > 512 {
			t.Errorf("%d and %d bytes", len(e.ResourceID), len(e.URI))
		}
	}
	if total != 100_000 {
		t.Errorf("%d refusals are counted", total)
	}
	if got := b.all(t, activity.Query{Since: start.Add(-time.Hour), Status: activity.Succeeded}); len(got) != 1 || got[0] != accepted[0] {
		t.Errorf("the accepted events are %v", got)
	}
}

// The refusals of many principals together are bounded in memory and in the store.
func TestRefusalFloodOfManyCallersIsBounded(t *testing.T) {
	b := newBench(t)
	b.MaxBytes = 1 << 20
	accepted := b.record(t, activity.Event{TenantID: "t", Operation: "first"})
	for i := range 20_000 {
		b.now = b.now.Add(10 * time.Millisecond)
		b.refuse(t, refusal(fmt.Sprintf("caller-%d", i), fmt.Sprintf("/r/%d", i)))
	}
	if err := errors.Join(b.Flush(t.Context()), b.Trim(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, size := keysBelow(t, b.Store, "xr/"); size > 1<<20/8 {
		t.Errorf("%d bytes", size)
	}
	if got := b.all(t, activity.Query{Since: start.Add(-time.Hour), Status: activity.Succeeded}); len(got) != 1 || got[0] != accepted[0] {
		t.Errorf("the accepted events are %v", got)
	}
}

func TestAcceptedEventsDoNotEvictRefusals(t *testing.T) {
	b := newBench(t)
	b.MaxBytes = 10_000
	b.refuse(t, refusal("alice", "/r/1"))
	for range 200 {
		b.record(t, activity.Event{TenantID: "t", Operation: "x/write"})
	}
	if err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := keysBelow(t, b.Store, "xr/"); n != 1 {
		t.Errorf("%d refusals remain", n)
	}
	if _, size := keysBelow(t, b.Store, "x/"); size > 10_000 {
		t.Errorf("%d bytes", size)
	}
}

func TestOldRefusalsAreRemoved(t *testing.T) {
	b := newBench(t)
	b.MaxAge = time.Hour
	b.refuse(t, refusal("alice", "/r/1"))
	b.now = b.now.Add(59 * time.Minute)
	b.refuse(t, refusal("alice", "/r/1"))
	b.now = b.now.Add(2 * time.Minute)
	if err := errors.Join(b.Flush(t.Context()), b.Trim(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n, _ := keysBelow(t, b.Store, "xr/"); n != 1 {
		t.Errorf("%d refusals remain", n)
	}
}

// The test reads pages of several sizes.
func TestEventsAndRefusalsAreSortedTogether(t *testing.T) {
	b := newBench(t)
	var want []string
	for i := range 700 {
		b.now = b.now.Add(20 * time.Second)
		e := activity.Event{TenantID: "t", Operation: fmt.Sprint(i), CallerObjectID: "c"}
		var err error
		if i%3 == 0 {
			err = b.Refuse(t.Context(), e)
		} else {
			err = b.Record(t.Context(), e)
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{fmt.Sprintf("id-%06d", b.ids)}, want...)
	}
	for _, limit := range []int{1, 7, 299, 300, 301, 1000} {
		got := b.all(t, activity.Query{Since: start, Limit: limit})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("limit %d: %d events, want %d", limit, len(got), len(want))
		}
	}
}

// failing is a store whose Update fails.
type failing struct {
	store.Store
	on *bool
}

func (f failing) Update(ctx context.Context, fn func(store.Tx) error) (store.Revision, error) {
	if *f.on {
		return 0, store.ErrUnavailable
	}
	return f.Store.Update(ctx, fn)
}

func TestRefusalsAreCountedWhileTheStoreIsUnavailable(t *testing.T) {
	b := newBench(t)
	on := true
	b.Store = failing{b.Store, &on}
	for range 3 {
		b.refuse(t, refusal("alice", "/r/1"))
	}
	if err := b.Flush(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	on = false
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := b.list(t); len(all) != 1 || all[0].Count != 3 {
		t.Errorf("%+v", all)
	}
}

// revision returns the newest revision of the store.
func (b *bench) revision(t testing.TB) store.Revision {
	t.Helper()
	rev, err := b.Store.Update(t.Context(), func(store.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
