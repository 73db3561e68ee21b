package activity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

const (
	trimEvery = time.Minute
	trimBatch = 100  // events that one transaction removes, within the store's limit of operations
	scanBatch = 1000 // events that one scan holds in memory
)

// recountEvery is how often the sizes of the log are counted anew. Replicas whose clocks are slow append events
// before those that were counted.
const recountEvery = time.Hour

// RunTrim trims the log once a minute until ctx ends. One replica at a time runs it; two at once do no harm. It logs an
// error and tries again a minute later; the log grows until then.
func (l *Log) RunTrim(ctx context.Context) error {
	l.recount()
	counted := time.Now()
	clock.Every(ctx, trimEvery, func(ctx context.Context) {
		if l.Shared && time.Since(counted) >= recountEvery {
			l.recount()
			counted = time.Now()
		}
		if err := l.Trim(ctx); err != nil && ctx.Err() == nil {
			l.warn(ctx, "the activity log was not trimmed", err)
		}
	})
	return nil
}

// recount makes the next Trim count the sizes of all events, which other replicas have trimmed meanwhile.
func (l *Log) recount() {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.done, l.declined = share{}, share{}
}

// Run stores the counts of the refusals of this process once a minute until ctx ends. Every replica runs it. It logs an
// error and tries again a minute later.
func (l *Log) Run(ctx context.Context) error {
	clock.Every(ctx, trimEvery, func(ctx context.Context) {
		if err := l.Flush(ctx); err != nil && ctx.Err() == nil {
			l.warn(ctx, "the counts of refusals were not written", err)
		}
	})
	if err := l.Flush(context.WithoutCancel(ctx)); err != nil {
		l.warn(ctx, "the last counts of refusals were not written", err)
	}
	return nil
}

func (l *Log) warn(ctx context.Context, text string, err error) {
	if l.Logger != nil && (!errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNewerVersion)) { // the store logs that it is unavailable, once
		l.Logger.WarnContext(ctx, text, "error", err)
	}
}

// share is a part of the log with a separate size limit: the accepted events or the refusals.
type share struct {
	counted string // the newest event that size includes
	size    int64  // bytes of the events up to counted; it may be too large, but not too small
}

// Trim removes the events that are older than MaxAge, if Retention allows it, and the oldest events beyond
// MaxBytes. It uses many small transactions, so it does not delay writers, and an interrupted Trim has
// removed some of the events.
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

// trimSize removes the oldest events beyond most bytes. It adds the size of the new events to that of the last
// call. The sum includes events that were removed by age since, so it can be too large, which only makes the
// exact count happen too early. The exact count scans all events, and happens when the sum exceeds the
// limit. Then an eighth of the limit is removed in addition, so that the next exact count is not needed
// before that eighth has been written.
func (l *Log) trimSize(ctx context.Context, s *share, prefix string, most int64) error {
	err := l.forEach(ctx, store.Range{Prefix: prefix, After: s.counted}, func(key string, size int64) bool {
		s.counted = key
		s.size += size
		return true
	})
	if err != nil || s.size <= most {
		return err
	}
	keep, oldest, newest := int64(0), "", ""
	err = l.forEach(ctx, store.Range{Prefix: prefix, Reverse: true}, func(key string, size int64) bool {
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

// forEach calls fn with every event of a range until fn returns false. It reads pages, each in a view of its
// own, so that it holds neither many records in memory nor an old state of the store.
func (l *Log) forEach(ctx context.Context, r store.Range, fn func(key string, size int64) bool) error {
	r.Limit = scanBatch
	type event struct {
		key  string
		size int64
	}
	for page := make([]event, 0, scanBatch); ; {
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
		if len(page) < scanBatch {
			return nil
		}
		r.After = page[len(page)-1].key
	}
}

// deleteBefore removes all events before a key. Each transaction starts where the last one ended, so that it
// does not scan the keys again that the engine has only marked as deleted.
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
