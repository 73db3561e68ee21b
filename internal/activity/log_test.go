package activity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a log with a clock that moves a second with each event.
type bench struct {
	*activity.Log
	now time.Time
	ids int
}

func newBench(t testing.TB) *bench {
	b := &bench{now: start}
	b.Log = &activity.Log{
		Store: storetest.Memory(t),
		Now:   func() time.Time { return b.now },
		NewID: func() string { b.ids++; return fmt.Sprintf("id-%06d", b.ids) },
	}
	return b
}

// record writes events at intervals of one second and returns their ids.
func (b *bench) record(t testing.TB, events ...activity.Event) (ids []string) {
	t.Helper()
	for _, e := range events {
		b.now = b.now.Add(time.Second)
		if err := b.Record(t.Context(), e); err != nil {
			t.Fatalf("Record: %v", err)
		}
		ids = append(ids, fmt.Sprintf("id-%06d", b.ids))
	}
	return ids
}

// all reads every page of a query and returns the ids of the events.
func (b *bench) all(t testing.TB, q activity.Query) (ids []string) {
	t.Helper()
	for {
		page, err := b.Query(t.Context(), q)
		if err != nil {
			t.Fatalf("Query: %v", err)
		}
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		if page.Next == "" {
			return ids
		}
		q.After = page.Next
	}
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func TestEventRoundTrip(t *testing.T) {
	b := newBench(t)
	want := activity.Event{
		ID: "e1", Time: start.Add(-time.Hour), CorrelationID: "c", OperationID: "o",
		TenantID: "t", SubscriptionID: "S", ResourceGroup: "Rg", ResourceID: "/subscriptions/S/resourceGroups/Rg", ResourceType: "Microsoft.Resources/resourceGroups",
		Operation: "Microsoft.Resources/subscriptions/resourceGroups/write", Status: activity.Failed, Code: 403, ErrorCode: "AuthorizationFailed",
		Caller: "app", CallerObjectID: "oid", ClientIP: "127.0.0.1", ClientRequestID: "r", Method: "PUT", URI: "/x?y=z",
	}
	if err := b.Record(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	page, err := b.Query(t.Context(), activity.Query{Since: start.Add(-2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(activity.Page{Events: []activity.Event{want}}, page); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppendSetsIDTimeAndStatus(t *testing.T) {
	b := newBench(t)
	b.record(t, activity.Event{})
	page, err := b.Query(t.Context(), activity.Query{Since: start})
	if err != nil {
		t.Fatal(err)
	}
	want := []activity.Event{{ID: "id-000001", Time: start.Add(time.Second), Status: activity.Succeeded}}
	if diff := cmp.Diff(want, page.Events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangeAndEventAreOneTransaction(t *testing.T) {
	b := newBench(t)
	refused := errors.New("refused")
	err := b.Update(t.Context(), activity.Event{}, func(tx store.Tx) error {
		tx.Put("some/key", []byte("x"))
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatalf("Update returns %v, want the error of its function", err)
	}
	if got := b.all(t, activity.Query{Since: start}); len(got) > 0 {
		t.Errorf("a failed change has the events %v, want none", got)
	}
	err = b.Update(t.Context(), activity.Event{}, func(tx store.Tx) error {
		tx.Put("some/key", []byte("x"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.all(t, activity.Query{Since: start}); len(got) != 1 {
		t.Errorf("an accepted change has the events %v, want one", got)
	}
	err = b.Store.View(t.Context(), func(tx store.Tx) error {
		_, err := tx.Get("some/key")
		return err
	})
	if err != nil {
		t.Errorf("the change is not stored: %v", err)
	}
}

func TestLongTextsAreTruncatedAtCharacters(t *testing.T) {
	b := newBench(t)
	b.record(t, activity.Event{URI: strings.Repeat("é", 5000)})
	page, err := b.Query(t.Context(), activity.Query{Since: start})
	if err != nil {
		t.Fatal(err)
	}
	uri := page.Events[0].URI
	if len(uri) > 2048 || len(uri) < 2000 || strings.Trim(uri, "é") != "" {
		t.Errorf("a URI of 10,000 bytes was stored with %d bytes, and ends with %q", len(uri), uri[len(uri)-4:])
	}
}

func TestQueriesReadNewestFirstAndPageWithoutGaps(t *testing.T) {
	b := newBench(t)
	want := reversed(b.record(t, make([]activity.Event, 650)...))
	for _, limit := range []int{0, 7, 300, 649, 650, 651, 5000} {
		if diff := cmp.Diff(want, b.all(t, activity.Query{Since: start, Limit: limit})); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestAppendedEventsDoNotShiftPages(t *testing.T) {
	b := newBench(t)
	want := reversed(b.record(t, make([]activity.Event, 40)...))
	q := activity.Query{Since: start, Limit: 7}
	var got []string
	for {
		page, err := b.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
		b.record(t, make([]activity.Event, 5)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPageExaminesABoundedNumberOfRecords(t *testing.T) {
	b := newBench(t)
	want := b.record(t, activity.Event{Status: "Failed"})
	b.record(t, make([]activity.Event, 3000)...)
	q := activity.Query{Since: start, Status: "failed"}
	page, err := b.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 0 || page.Next == "" {
		t.Errorf("the first page has %d events and the cursor %q; want none, and a cursor", len(page.Events), page.Next)
	}
	if diff := cmp.Diff(want, b.all(t, q)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQueryFields(t *testing.T) {
	b := newBench(t)
	const group = "/subscriptions/s1/resourceGroups/Rg1"
	ids := b.record(t,
		activity.Event{TenantID: "t1", SubscriptionID: "s1", ResourceGroup: "Rg1", ResourceID: group, ResourceType: "Microsoft.Resources/resourceGroups", CorrelationID: "C1", Caller: "app1", CallerObjectID: "oid1"},
		activity.Event{TenantID: "t1", SubscriptionID: "s1", ResourceGroup: "Rg1", ResourceID: group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a", ResourceType: "Microsoft.ManagedIdentity/userAssignedIdentities", Status: activity.Failed},
		activity.Event{TenantID: "t1", SubscriptionID: "s1", ResourceGroup: "rg10"},
		activity.Event{TenantID: "t2", SubscriptionID: "s2"},
	)
	for name, tc := range map[string]struct {
		q    activity.Query
		want []int // of ids, newest first
	}{
		"everything":      {activity.Query{}, []int{3, 2, 1, 0}},
		"tenant":          {activity.Query{TenantID: "T2"}, []int{3}},
		"subscription":    {activity.Query{SubscriptionID: "S1"}, []int{2, 1, 0}},
		"group":           {activity.Query{ResourceGroup: "rg1"}, []int{1, 0}},
		"resource":        {activity.Query{ResourceID: strings.ToUpper(group)}, []int{0}},
		"provider":        {activity.Query{ResourceProvider: "microsoft.managedidentity"}, []int{1}},
		"correlation":     {activity.Query{CorrelationID: "c1"}, []int{0}},
		"caller's name":   {activity.Query{Caller: "app1"}, []int{0}},
		"caller's oid":    {activity.Query{Caller: "OID1"}, []int{0}},
		"status":          {activity.Query{Status: "Failed"}, []int{1}},
		"both channels":   {activity.Query{Channels: []string{"Admin", "Operation"}}, []int{3, 2, 1, 0}},
		"another channel": {activity.Query{Channels: []string{"Debug"}}, nil},
		"since, exactly":  {activity.Query{Since: start.Add(3 * time.Second)}, []int{3, 2}},
		"since, later":    {activity.Query{Since: start.Add(3*time.Second + 1)}, []int{3}},
		"until, exactly":  {activity.Query{Until: start.Add(2 * time.Second)}, []int{1, 0}},
		"until, earlier":  {activity.Query{Until: start.Add(2*time.Second - 1)}, []int{0}},
		"far future":      {activity.Query{Until: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}, []int{3, 2, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.q.Since.IsZero() {
				tc.q.Since = start
			}
			var want []string
			for _, i := range tc.want {
				want = append(want, ids[i])
			}
			if diff := cmp.Diff(want, b.all(t, tc.q)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCursorStaysInTheTimeSpanOfTheQuery(t *testing.T) {
	b := newBench(t)
	b.record(t, make([]activity.Event, 5)...)
	got := b.all(t, activity.Query{Since: start, Until: start.Add(2 * time.Second), After: "99999999999999999999-z"})
	if diff := cmp.Diff([]string{"id-000002", "id-000001"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQueriesNeedAStartWithinNinetyDays(t *testing.T) {
	b := newBench(t)
	for name, tc := range map[string]struct {
		q    activity.Query
		want error
	}{
		"no start":             {activity.Query{}, activity.ErrNoStart},
		"91 days":              {activity.Query{Since: start.AddDate(0, 0, -91)}, activity.ErrTooOld},
		"year 1":               {activity.Query{Since: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}, activity.ErrTooOld},
		"end first":            {activity.Query{Since: start, Until: start.Add(-1)}, activity.ErrEndFirst},
		"90 days":              {activity.Query{Since: start.AddDate(0, 0, -90)}, nil},
		"90 days and a minute": {activity.Query{Since: start.AddDate(0, 0, -90).Add(-time.Minute)}, nil},
		"one moment":           {activity.Query{Since: start, Until: start}, nil},
	} {
		if _, err := b.Query(t.Context(), tc.q); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestTrimRemovesOldEvents(t *testing.T) {
	b := newBench(t)
	b.MaxAge = 100 * time.Second
	ids := b.record(t, make([]activity.Event, 350)...)
	if err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reversed(ids[249:]), b.all(t, activity.Query{Since: start})); diff != "" {
		t.Errorf("the events of the last 100 seconds (-want +got):\n%s", diff)
	}
}

func TestTrimRemovesTheOldestEventsBeyondMaxBytes(t *testing.T) {
	b := newBench(t)
	b.MaxBytes = 40_000
	for round := range 4 {
		b.record(t, slices.Repeat([]activity.Event{{URI: strings.Repeat("u", 400)}}, 150)...)
		newest := b.ids
		if err := b.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := size(t, b.Store); got > b.MaxBytes || got < b.MaxBytes/2 {
			t.Errorf("round %d: %d bytes are kept, want nearly %d", round, got, b.MaxBytes)
		}
		kept := b.all(t, activity.Query{Since: start})
		for i, id := range kept {
			if want := fmt.Sprintf("id-%06d", newest-i); id != want {
				t.Fatalf("round %d: event %d from the newest is %s, want %s", round, i, id, want)
			}
		}
	}
}

func TestTrimKeepsALogWithinItsLimits(t *testing.T) {
	b := newBench(t)
	want := reversed(b.record(t, make([]activity.Event, 120)...))
	b.MaxAge, b.MaxBytes = time.Hour, size(t, b.Store)
	for range 2 {
		if err := b.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, b.all(t, activity.Query{Since: start})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTrimWithATinyLimitRemovesAllEvents(t *testing.T) {
	b := newBench(t)
	b.MaxBytes = 1
	b.record(t, make([]activity.Event, 3)...)
	if err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := size(t, b.Store); got != 0 {
		t.Errorf("%d bytes remain", got)
	}
}

func size(t testing.TB, st store.Store) (bytes int64) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		bytes = 0
		for rec, err := range tx.Scan(store.Range{Prefix: "x/"}) {
			if err != nil {
				return err
			}
			bytes += int64(len(rec.Key) + len(rec.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func TestRunLogsTrimErrors(t *testing.T) {
	st := storetest.Memory(t)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		log := &activity.Log{Store: st, Now: time.Now, MaxBytes: 1, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- log.RunTrim(ctx) }()
		time.Sleep(61 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v", err)
		}
		if !strings.Contains(logged.String(), "the activity log was not trimmed") {
			t.Errorf("Run logs %q", logged.String())
		}
	})
}

func TestRunTrimsUntilItIsStopped(t *testing.T) {
	st := storetest.Memory(t)
	synctest.Test(t, func(t *testing.T) {
		log := &activity.Log{Store: st, Now: time.Now, NewID: func() string { return "e" }, MaxAge: 90 * time.Second}
		if err := log.Record(t.Context(), activity.Event{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- log.RunTrim(ctx) }()
		time.Sleep(80 * time.Second)
		synctest.Wait()
		if size(t, st) == 0 {
			t.Error("the event was removed too early")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if size(t, st) != 0 {
			t.Error("the event was not removed")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v", err)
		}
	})
}
