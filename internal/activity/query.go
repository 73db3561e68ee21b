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

// MaxLookback is how far back a query may begin.
const MaxLookback = 90 * 24 * time.Hour

// lookbackSlack lets a client ask for exactly 90 days although its request takes a moment to
// arrive and its clock is not ours.
const lookbackSlack = 5 * time.Minute

// Sizes of one page. A page ends at the first of its limits that it reaches, so a query that
// matches little gives short or empty pages with a cursor rather than one slow answer.
const (
	defaultPage    = 200
	maxPage        = 1000
	maxExamined    = 2000
	responseFactor = 3   // an event in a response has about so many times its stored size, because Azure's form repeats ids
	chunk          = 300 // records read at a time, which bounds the memory of a query
)

// QueryError says what is wrong with a query, in words for the client. It is a 400.
type QueryError struct{ Text string }

func (e *QueryError) Error() string { return e.Text }

// The errors of queries that are well-formed.
var (
	ErrNoStart  = &QueryError{"The filter must give a start time: eventTimestamp ge '<time>'."}
	ErrTooOld   = &QueryError{"The start time cannot be more than 90 days in the past."}
	ErrEndFirst = &QueryError{"The end time cannot be before the start time."}
)

// Query selects events. Empty fields select everything; names compare as ARM compares them.
type Query struct {
	Since time.Time // obligatory, at most MaxLookback ago
	Until time.Time // inclusive; zero means no end

	TenantID       string
	SubscriptionID string

	ResourceGroup    string
	ResourceID       string // exactly this resource, not what lies below it
	ResourceProvider string // the namespace
	CorrelationID    string
	Caller           string // by name or by object id
	Status           string
	Channels         []string // Midas has one channel, Operation

	After string // the Next of the page before; empty for the first page
	Limit int    // at most so many events; 0 is 200, and 1,000 is the most
}

// Page is one page of events, newest first. Next is empty on the last page and otherwise the After
// of the following one. Events that are written between two pages are newer than both, so they do
// not shift what the cursor points at.
type Page struct {
	Events []Event
	Next   string
}

// Query reads one page. A *QueryError is the client's fault.
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

// read walks backwards from the cursor, or from the end of the time span, to its beginning.
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

// placed is an event with its place in time: the rest of its key, by which what was done and what was
// refused are one order.
type placed struct {
	Event
	at   string
	size int // of the record
}

// newest gives the newest events before a place, done and refused ones together, at most a chunk.
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

// upper is the place after all events that the page may hold; empty means from the newest.
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
		same(q.ResourceGroup, e.ResourceGroup) &&
		same(q.ResourceID, e.ResourceID) &&
		same(q.ResourceProvider, arm.Type(e.ResourceType).Namespace()) &&
		same(q.CorrelationID, e.CorrelationID) &&
		same(q.Status, e.Status) &&
		(same(q.Caller, e.Caller) || same(q.Caller, e.CallerObjectID)) &&
		q.matchesChannel()
}

// matchesChannel holds for the two names under which Azure knows the events that Midas writes.
func (q *Query) matchesChannel() bool {
	return len(q.Channels) == 0 || slices.ContainsFunc(q.Channels, func(c string) bool {
		return arm.SameName(c, "Operation") || arm.SameName(c, "Admin")
	})
}
