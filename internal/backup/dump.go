package backup

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"midas/internal/store"
)

// Dump is store.Dump for a store that other processes write: no engine keeps a revision for as long as a dump may take.
// It first copies the store into scratch, an empty engine of this process, which it does not close.
func Dump(ctx context.Context, from store.Store, scratch store.Engine, w io.Writer) error {
	to := newBatches(ctx, func(ctx context.Context, all []store.Write) error {
		_, err := scratch.Commit(ctx, store.Commit{Writes: lastOfEach(all)})
		return err
	})
	err := copyPages(ctx, from, revisions{to})
	if failed := to.end(); failed != nil {
		err = failed
	}
	if err == nil {
		err = dumpRevisions(ctx, scratch, w)
	}
	if err != nil {
		return fmt.Errorf("dump the store: %w", err)
	}
	return nil
}

// lastOfEach returns the last write of each key, in the order of keys, as an engine requires.
func lastOfEach(all []store.Write) []store.Write {
	last := make(map[string]store.Write, len(all))
	for _, w := range all {
		last[w.Key] = w
	}
	sorted := make([]store.Write, 0, len(last))
	for _, key := range slices.Sorted(maps.Keys(last)) {
		sorted = append(sorted, last[key])
	}
	return sorted
}

// revisions is a sink that is a store whose values begin with the revisions that they had.
type revisions struct{ *batches }

const revisionSize = 8

func (r revisions) records(all []store.Record) error {
	for _, rec := range all {
		if err := r.add(Entry{Write: store.Write{Key: rec.Key, Value: withRevision(rec.Revision, rec.Value)}}); err != nil {
			return err
		}
	}
	return nil
}

func (r revisions) changes(all []store.Change) error {
	for _, c := range all {
		w := store.Write{Key: c.Key, Delete: c.Deleted}
		if !c.Deleted {
			w.Value = withRevision(c.Revision, c.Value)
		}
		if err := r.add(Entry{Write: w, Change: true}); err != nil {
			return err
		}
	}
	return nil
}

func withRevision(at store.Revision, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, revisionSize+len(value)), uint64(at)), value...)
}

// dumpRevisions writes the records of a store whose values begin with revisions.
func dumpRevisions(ctx context.Context, from store.Engine, w io.Writer) error {
	snapshot, err := from.Snapshot(ctx, 1)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	out := store.NewDumper(w)
	for rec, err := range snapshot.Scan(ctx, store.Range{}) {
		if err != nil {
			return err
		}
		rec.Revision = store.Revision(binary.BigEndian.Uint64(rec.Value))
		rec.Value = rec.Value[revisionSize:]
		if err := out.Write(rec); err != nil {
			return err
		}
	}
	return out.Flush()
}
