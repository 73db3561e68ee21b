package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"midas/internal/retention"
	"midas/internal/store"
)

// Log is the activity log of one store. It is safe for concurrent use, and several processes may
// use the same store.
type Log struct {
	Store store.Store
	Now   func() time.Time
	NewID func() string
	// Retention decides whether events may be removed by age. Nil allows it always.
	Retention *retention.Guard
	// Logger receives the errors of Run. Nil drops them.
	Logger *slog.Logger

	// MaxAge is the age at which events are removed; 0 means never. Azure keeps events for 90 days.
	MaxAge time.Duration
	// MaxBytes is the limit of the keys and values of all accepted events in bytes; 0 means no limit. Run
	// checks it once a minute, so the writes of one minute can exceed it. Refusals may take an eighth of it
	// in addition.
	MaxBytes int64

	// Shared is set if other processes append to the log too.
	Shared bool

	refusals refusals

	trimming       sync.Mutex
	done, declined share // sizes of the accepted events and of the refusals
}

// Append adds an event to a transaction. It fills in ID and Time when they are empty, and Succeeded
// when there is no Status.
func (l *Log) Append(tx store.Tx, e Event) error {
	if e.ID == "" {
		e.ID = l.NewID()
	}
	if e.Time.IsZero() {
		e.Time = l.Now()
	}
	if e.Status == "" {
		e.Status = Succeeded
	}
	e.clip()
	e.Time = e.Time.UTC()
	return events.Put(tx, keyAt(e.Time)+"-"+e.ID, e)
}

// Update runs fn and appends the event in one transaction. Every accepted write of the control plane uses
// it. If the event's Guard or fn fails, Update returns its error unchanged and writes neither the changes nor the event. As with
// every store.Update, fn may run more than once.
func (l *Log) Update(ctx context.Context, e Event, fn func(store.Tx) error) error {
	return l.UpdateDetailed(ctx, e, func(tx store.Tx) (any, error) { return nil, fn(tx) })
}

// UpdateDetailed is Update for changes whose event shows a record: the value that fn returns becomes the
// event's Detail. Nil means no detail.
func (l *Log) UpdateDetailed(ctx context.Context, e Event, fn func(store.Tx) (detail any, err error)) error {
	_, err := l.Store.Update(ctx, func(tx store.Tx) error {
		if e.Guard != nil {
			if err := e.Guard(tx); err != nil {
				return err
			}
		}
		detail, err := fn(tx)
		if err != nil {
			return err
		}
		if e.Detail = nil; detail != nil {
			if e.Detail, err = json.Marshal(detail); err != nil {
				return fmt.Errorf("encode the detail of an event: %w", err)
			}
		}
		return l.Append(tx, e)
	})
	return err
}

// Record writes the event of an accepted request that changed nothing. Refuse writes those of refused
// requests.
func (l *Log) Record(ctx context.Context, e Event) error {
	return l.Update(ctx, e, func(store.Tx) error { return nil })
}
