//go:build cluster

package postgres

import (
	"context"
	"iter"

	"midas/internal/store"
)

// empty is the snapshot of a store whose tables do not exist yet.
type empty struct{}

func (empty) Revision() store.Revision { return 0 }

func (empty) Get(ctx context.Context, _ string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	return store.Record{}, store.ErrNotFound
}

func (empty) Scan(ctx context.Context, _ store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Record{}, err)
		}
	}
}

func (empty) Settle(context.Context) error { return nil }

func (empty) Close() {}
