package activity

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"midas/internal/retention"
	"midas/internal/store"
)

// Log is the activity log of one store. It is safe for concurrent use, and several processes may
// keep logs on the same store.
type Log struct {
	Store store.Store
	Now   func() time.Time
	NewID func() string
	// Retention tells whether events may be removed for their age; nil: always.
	Retention *retention.Guard
	// Logger is told what keeps Run from trimming.
	Logger *slog.Logger

	// MaxAge is how long events are kept; 0 keeps them whatever their age. Azure keeps 90 days.
	MaxAge time.Duration
	// MaxBytes is how much room the keys and values of all events may take; 0 means no limit. It is
	// looked at once a minute, so it can be exceeded by what is written in that time. Refusals may take an
	// eighth of it besides.
	MaxBytes int64

	refusals refusals

	trimming       sync.Mutex
	done, declined share // sizes of what was done and of what was refused
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

// Update runs fn and appends the event, as one transaction. Every accepted write of the control
// plane is made by it. An error of fn is returned as it is; then neither the writes nor the event
// happen. As with every store.Update, fn may run more than once.
func (l *Log) Update(ctx context.Context, e Event, fn func(store.Tx) error) error {
	_, err := l.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return l.Append(tx, e)
	})
	return err
}

// Record writes an event of something accepted that has changed nothing. For refusals there is Refuse.
func (l *Log) Record(ctx context.Context, e Event) error {
	return l.Update(ctx, e, func(store.Tx) error { return nil })
}
