package activity_test

import (
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
)

func TestPagesOfLargeEventsAreShort(t *testing.T) {
	b := newBench(t)
	var want []string
	for range 700 {
		want = append(want, b.record(t, activity.Event{TenantID: "t", SubscriptionID: "s", ResourceID: strings.Repeat("x", 2000), Status: activity.Succeeded})...)
	}
	q := activity.Query{Since: start.Add(-time.Hour), TenantID: "t", SubscriptionID: "s", Limit: 1000}
	page, err := b.Query(t.Context(), q)
	if err != nil || len(page.Events)*6*2000 > arm.PageBytes || len(page.Events) < 50 || page.Next == "" {
		t.Errorf("the first page has %d events, %v", len(page.Events), err)
	}
	if got := b.all(t, q); len(got) != len(want) || got[0] != want[len(want)-1] || got[len(got)-1] != want[0] {
		t.Errorf("%d events in all pages, want %d", len(got), len(want))
	}
}
