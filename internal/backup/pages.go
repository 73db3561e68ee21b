package backup

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/store"
)

// A page has at most so many records, or so many bytes and one record more.
const (
	pageRecords = 1024
	pageBytes   = 1 << 20
)

// sink takes a copy of a store: records in the order of their keys and, between them, changes that replace or remove
// what it took before. Both slices are the caller's again after the call.
type sink interface {
	records([]store.Record) error
	changes([]store.Change) error
}

// copyPages copies a store that other processes write, at one revision, which is the newest at the end of the copy. An
// engine need not keep an old revision for as long as a copy takes: each page is read at the newest revision of its
// moment, and what the feed shows of earlier pages follows as changes. Its memory is bounded by a page and mostChanged.
func copyPages(ctx context.Context, s store.Store, to sink) error {
	page, since, err := beginPages(ctx, s)
	if err != nil {
		return err
	}
	defer since.end()
	for {
		if err := to.records(page.records); err != nil {
			return err
		}
		end := len(page.records) == 0
		take := func() ([]store.Change, error) { return since.take(page.last) }
		if end {
			take = func() ([]store.Change, error) { return since.reach(ctx, page.revision) }
		}
		changed, err := take()
		if err == nil {
			err = to.changes(changed)
		}
		if err != nil || end {
			return err
		}
		if page, err = readPage(ctx, s, page.last); err != nil {
			return err
		}
	}
}

// mostBegins is how often a copy begins when the revision of its first page is removed before the feed has begun.
const mostBegins = 20

// beginPages reads the first page and begins to follow the changes after it. Nothing was copied yet, so it can begin again.
func beginPages(ctx context.Context, s store.Store) (page, *changes, error) {
	for begun := 1; ; begun++ {
		first, err := readPage(ctx, s, "")
		if err != nil {
			return first, nil, err
		}
		since := followChanges(ctx, s, first.revision)
		if err = since.started(ctx); err == nil {
			return first, since, nil
		}
		since.end()
		if !errors.Is(err, store.ErrCompacted) || begun == mostBegins {
			return first, nil, err
		}
	}
}

// page has the records that follow a key at one revision.
type page struct {
	records  []store.Record
	last     string // the key of the last record
	revision store.Revision
}

// readPage reads the first records after a key.
func readPage(ctx context.Context, s store.Store, after string) (p page, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		p = page{last: after}
		bytes := 0
		for rec, err := range tx.Scan(store.Range{After: after, Limit: pageRecords}) {
			if err != nil {
				return err
			}
			p.records, p.last = append(p.records, rec), rec.Key
			if bytes += len(rec.Key) + len(rec.Value); bytes >= pageBytes {
				break
			}
		}
		p.revision = store.RevisionOf(tx)
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("read the records after %.80q: %w", after, err)
	}
	return p, nil
}
