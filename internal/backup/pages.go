package backup

import (
	"context"
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
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	first, err := readPage(ctx, s, "")
	if err != nil {
		return err
	}
	since := followChanges(ctx, s, first.revision)
	defer func() { stop(); since.running.Wait() }()
	for page := first; ; {
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
