package activity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxLookback is the greatest age of a query's start time.
const MaxLookback = 90 * 24 * time.Hour

// lookbackSlack lets a client ask for exactly 90 days although its request takes time to arrive and its
// clock differs from the server's.
const lookbackSlack = 5 * time.Minute

// Limits of one page. A page ends at the first limit that it reaches, so a query that matches few events
// returns short or empty pages with a cursor instead of one slow response.
const (
	defaultPage    = 200
	maxPage        = 1000
	maxExamined    = 2000
	responseFactor = 6   // times the stored size is the estimated size in a response: Azure's form repeats ids, and shows an event twice
	chunk          = 300 // records in one scan, which bounds the memory of a query
)

// QueryError is an error in a client's query. Its text is shown to the client with status 400.
type QueryError struct{ Text string }

func (e *QueryError) Error() string { return e.Text }

// Errors of queries with a correct syntax.
var (
	ErrNoStart  = &QueryError{"The filter must give a start time: eventTimestamp ge '<time>'."}
	ErrTooOld   = &QueryError{"The start time cannot be more than 90 days in the past."}
	ErrEndFirst = &QueryError{"The end time cannot be before the start time."}
)

// Query selects events. An empty field matches every event. Names are compared without case, as by ARM.
type Query struct {
	Since time.Time // required, at most MaxLookback ago
	Until time.Time // inclusive; zero means no end

	TenantID       string
	SubscriptionID string
	// OutsideSubscriptions selects only events of resources outside of all subscriptions.
	OutsideSubscriptions bool

	ResourceGroup    string
	ResourceID       string // this resource only, without nested resources
	ResourceProvider string // the namespace
	CorrelationID    string
	Caller           string // a name or an object id
	Status           string
	Channels         []string // Midas has one channel, Operation

	After string // the Next of the page before; empty for the first page
	Limit int    // the maximum number of events: 0 means 200, and more than 1,000 means 1,000
}

// Page is one page of events, newest first. Next is the value of After for the following page; it is empty
// on the last page. Events that are written between the reads of two pages are newer than both pages, so
// the cursor stays valid.
type Page struct {
	Events []Event
	Next   string
}

// Query reads one page. It returns a *QueryError if the query is not valid.
func (l *Log) Query(ctx context.Context, q Query) (Page, error) {
	if err := q.check(l.Now()); err != nil {
		return Page{}, err
	}
	var page Page
	err := l.Store.View(ctx, func(tx store.Tx) error {
		var err error
		page, err = q.read(tx)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("read the activity log: %w", err)
	}
	return page, nil
}

func (q Query) check(now time.Time) error {
	switch {
	case q.Since.IsZero():
		return ErrNoStart
	case now.Sub(q.Since) > MaxLookback+lookbackSlack:
		return ErrTooOld
	case !q.Until.IsZero() && q.Until.Before(q.Since):
		return ErrEndFirst
	}
	return nil
}

// read scans from the cursor, or from the end of the time span, to the start of the time span.
func (q Query) read(tx store.Tx) (Page, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	first, after := keyAt(q.Since)[len(prefix):], q.upper()
	var page Page
	size := 0
	for examined := 0; examined < maxExamined; {
		found, err := newest(tx, after)
		if err != nil {
			return Page{}, err
		}
		for _, e := range found {
			if e.at < first {
				return page, nil
			}
			if len(page.Events) == limit {
				page.Next = after
				return page, nil
			}
			if q.matches(&e.Event) {
				if size += responseFactor * e.size; size > arm.PageBytes && len(page.Events) > 0 {
					page.Next = after
					return page, nil
				}
				page.Events = append(page.Events, e.Event)
			}
			after = e.at
		}
		if examined += len(found); len(found) < chunk {
			return page, nil
		}
	}
	page.Next = after
	return page, nil
}

// placed is an event with its position in time.
type placed struct {
	Event
	at   string // the key without the prefix of its kind, so that accepted events and refusals sort together
	size int    // of the record
}

// newest returns the newest accepted events and refusals before a position, at most a chunk.
func newest(tx store.Tx, before string) ([]placed, error) {
	var all []placed
	for _, table := range []*store.Table[Event]{&events, &refusedEvents} {
		r := store.Range{Prefix: table.Kind.Keys, Reverse: true, Limit: chunk}
		if before != "" {
			r.After = table.Kind.Keys + before
		}
		for row, err := range table.Scan(tx, r) {
			if err != nil {
				return nil, err
			}
			all = append(all, placed{row.Data, row.Key[len(table.Kind.Keys):], len(row.Value)})
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return strings.Compare(b.at, a.at) })
	return all[:min(len(all), chunk)], nil
}

// upper returns the position before which the page starts to read; empty means at the newest event.
func (q Query) upper() string {
	bound := ""
	if !q.Until.IsZero() {
		bound = keyAt(q.Until.Add(1))[len(prefix):]
	}
	if q.After == "" {
		return bound
	}
	if bound == "" || q.After < bound {
		return q.After
	}
	return bound
}

func (q *Query) matches(e *Event) bool {
	same := func(want, got string) bool { return want == "" || arm.SameName(want, got) }
	return same(q.TenantID, e.TenantID) &&
		same(q.SubscriptionID, e.SubscriptionID) &&
		(!q.OutsideSubscriptions || e.SubscriptionID == "") &&
		same(q.ResourceGroup, e.ResourceGroup) &&
		same(q.ResourceID, e.ResourceID) &&
		same(q.ResourceProvider, arm.Type(e.ResourceType).Namespace()) &&
		same(q.CorrelationID, e.CorrelationID) &&
		same(q.Status, e.Status) &&
		(same(q.Caller, e.Caller) || same(q.Caller, e.CallerObjectID)) &&
		q.matchesChannel()
}

// matchesChannel reports whether the query's channels include that of Midas's events. Azure uses two names
// for it.
func (q *Query) matchesChannel() bool {
	return len(q.Channels) == 0 || slices.ContainsFunc(q.Channels, func(c string) bool {
		return arm.SameName(c, "Operation") || arm.SameName(c, "Admin")
	})
}
