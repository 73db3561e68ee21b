package activity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

const (
	trimEvery = time.Minute
	trimBatch = 100  // events that one transaction removes, within the store's limit on operations
	walkBatch = 1000 // events that are held in memory while counting
)

// Run keeps the log within its bounds until ctx ends, looking once a minute. A failure to trim is
// logged and tried again: the log only grows meanwhile.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := l.Flush(context.WithoutCancel(ctx)); err != nil {
				l.warn(ctx, "the last counts of refusals were not written", err)
			}
			return nil
		case <-tick.C:
		}
		if err := l.Flush(ctx); err != nil && ctx.Err() == nil {
			l.warn(ctx, "the counts of refusals were not written", err)
		}
		if err := l.Trim(ctx); err != nil && ctx.Err() == nil {
			l.warn(ctx, "the activity log was not trimmed", err)
		}
	}
}

func (l *Log) warn(ctx context.Context, text string, err error) {
	if l.Logger != nil && !errors.Is(err, store.ErrUnavailable) { // which is said once, by the store
		l.Logger.WarnContext(ctx, text, "error", err)
	}
}

// share is a part of the log with a bound of its own.
type share struct {
	counted string // the newest event that size includes
	size    int64  // bytes of the events up to counted, at most too large
}

// Trim removes the events that are older than MaxAge, if Retention allows it, and, when all events together take more than
// MaxBytes, the oldest ones. It works in many small transactions, so a Trim that is cut short has
// removed some, and writers are not held up.
func (l *Log) Trim(ctx context.Context) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	if now := l.Now(); l.MaxAge > 0 && l.Retention.Allows(now) {
		bound := keyAt(now.Add(-l.MaxAge))[len(prefix):]
		for _, prefix := range []string{prefix, refusedEvents.Kind.Keys} {
			if err := l.deleteBefore(ctx, prefix, prefix+bound); err != nil {
				return fmt.Errorf("remove old events: %w", err)
			}
		}
	}
	if l.MaxBytes > 0 {
		if err := l.trimSize(ctx, &l.done, prefix, l.MaxBytes); err != nil {
			return fmt.Errorf("bound the activity log's size: %w", err)
		}
	}
	most := int64(refusalBytes)
	if l.MaxBytes > 0 {
		most = l.MaxBytes / refusalPart
	}
	if err := l.trimSize(ctx, &l.declined, refusedEvents.Kind.Keys, most); err != nil {
		return fmt.Errorf("bound the size of refusals: %w", err)
	}
	return nil
}

// trimSize counts only what is new since the last time; what was removed for its age is still in
// that count, which can only make it count anew too early. The exact count happens when the limit
// seems exceeded. It then cuts an eighth more than it must, so that the next exact count is as far
// away as it takes to write that eighth.
func (l *Log) trimSize(ctx context.Context, s *share, prefix string, most int64) error {
	err := l.walk(ctx, store.Range{Prefix: prefix, After: s.counted}, func(key string, size int64) bool {
		s.counted = key
		s.size += size
		return true
	})
	if err != nil || s.size <= most {
		return err
	}
	keep, oldest, newest := int64(0), "", ""
	err = l.walk(ctx, store.Range{Prefix: prefix, Reverse: true}, func(key string, size int64) bool {
		if newest == "" {
			newest = key
		}
		if keep+size > most-most/8 {
			return false
		}
		keep += size
		oldest = key
		return true
	})
	if err != nil || newest == "" {
		return err
	}
	if oldest == "" { // not even the newest event fits
		oldest = newest + "\x00"
	}
	s.counted, s.size = newest, keep
	return l.deleteBefore(ctx, prefix, oldest)
}

// walk calls fn with every event of a range until fn says no. It reads page by page, each in its
// own view, to hold neither many records nor an old state of the store.
func (l *Log) walk(ctx context.Context, r store.Range, fn func(key string, size int64) bool) error {
	r.Limit = walkBatch
	type event struct {
		key  string
		size int64
	}
	for page := make([]event, 0, walkBatch); ; {
		err := l.Store.View(ctx, func(tx store.Tx) error {
			page = page[:0]
			for rec, err := range tx.Scan(r) {
				if err != nil {
					return err
				}
				page = append(page, event{rec.Key, int64(len(rec.Key) + len(rec.Value))})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if !fn(e.key, e.size) {
				return nil
			}
		}
		if len(page) < walkBatch {
			return nil
		}
		r.After = page[len(page)-1].key
	}
}

// deleteBefore removes all events before a key. It begins each transaction where the last one
// ended, so as not to step again over what the store has only marked as deleted.
func (l *Log) deleteBefore(ctx context.Context, prefix, bound string) error {
	for after, done := "", false; !done; {
		var last string
		_, err := l.Store.Update(ctx, func(tx store.Tx) error {
			n := 0
			last = after
			for rec, err := range tx.Scan(store.Range{Prefix: prefix, After: after, Limit: trimBatch}) {
				if err != nil {
					return err
				}
				if rec.Key >= bound {
					break
				}
				tx.Delete(rec.Key)
				last = rec.Key
				n++
			}
			done = n < trimBatch
			return nil
		})
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}
