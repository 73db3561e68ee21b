package backup

import (
	"context"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
)

const (
	// batchRecords and batchBytes bound one transaction of a restore, below the limits of every engine.
	batchRecords = 100
	batchBytes   = 1_000_000

	// writers is how many transactions run at the same time. Engines fold the waits of such transactions.
	writers = 8
)

// batches writes the entries of a backup. Records are written by several transactions at the same time; a change is
// written after all that precedes it.
type batches struct {
	parent   context.Context
	put      func(context.Context, []store.Write) error
	running  *errgroup.Group
	ctx      context.Context // of running; it belongs to one call of write
	batch    []store.Write
	bytes    int
	changing bool // the batch has changes
}

func newBatches(ctx context.Context, put func(context.Context, []store.Write) error) *batches {
	b := &batches{parent: ctx, put: put}
	b.begin()
	return b
}

func (b *batches) begin() {
	b.running, b.ctx = errgroup.WithContext(b.parent)
	b.running.SetLimit(writers)
}

func (b *batches) add(e Entry) error {
	bytes := len(e.Key) + len(e.Value)
	if len(b.batch) > 0 && (e.Change != b.changing || len(b.batch) == batchRecords || b.bytes+bytes > batchBytes) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.batch, b.bytes, b.changing = append(b.batch, e.Write), b.bytes+bytes, e.Change
	return b.ctx.Err()
}

func (b *batches) flush() error {
	full, ctx := b.batch, b.ctx
	b.batch, b.bytes = nil, 0
	if b.changing {
		if err := b.running.Wait(); err != nil {
			return err
		}
		b.begin()
		return b.put(b.ctx, full)
	}
	b.running.Go(func() error { return b.put(ctx, full) })
	return nil
}

// end writes the last entries and waits for all transactions. It returns the first error of one.
func (b *batches) end() (err error) {
	if len(b.batch) > 0 {
		err = b.flush()
	}
	if failed := b.running.Wait(); failed != nil {
		return failed
	}
	return err
}
