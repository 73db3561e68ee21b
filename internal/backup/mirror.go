package backup

import (
	"context"
	"fmt"

	"midas/internal/store"
)

// Mirror copies all records of a store that other processes write, at one revision, into an empty store of this
// process. It is for long work on one revision: no engine keeps a revision for as long as such work may take.
func Mirror(ctx context.Context, from, to store.Store) error {
	m := mirror{newBatches(ctx, func(ctx context.Context, all []store.Write) error {
		_, err := to.Update(ctx, func(tx store.Tx) error {
			store.Apply(tx, all)
			return nil
		})
		return err
	})}
	err := copyPages(ctx, from, m)
	if failed := m.end(); failed != nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	return nil
}

// mirror is a sink that is a store.
type mirror struct{ *batches }

func (m mirror) records(all []store.Record) error {
	for _, rec := range all {
		if err := m.add(Entry{Write: store.Write{Key: rec.Key, Value: rec.Value}}); err != nil {
			return err
		}
	}
	return nil
}

func (m mirror) changes(all []store.Change) error {
	for _, c := range all {
		if err := m.add(Entry{Write: store.Write{Key: c.Key, Value: c.Value, Delete: c.Deleted}, Change: true}); err != nil {
			return err
		}
	}
	return nil
}
