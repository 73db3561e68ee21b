package installation

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"midas/internal/store"
)

// retryAfter is the pause after a failure of the store.
const retryAfter = 5 * time.Second

// Follow adopts the store keys that Reseal at another replica stores, until ctx ends; then it returns nil. It logs
// failures and tries again.
func (i *Installation) Follow(ctx context.Context, log *slog.Logger) error {
	for ctx.Err() == nil {
		err := i.followOnce(ctx, log)
		if errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrCompacted) {
			log.WarnContext(ctx, "the keys of the store: following the store failed, trying again", "cause", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
	return nil
}

func (i *Installation) followOnce(ctx context.Context, log *slog.Logger) error {
	// An Update, because it returns the revision from which the feed continues.
	after, err := i.cfg.Store.Update(ctx, func(tx store.Tx) error {
		rec, err := records.Get(tx, recordKey)
		if err != nil {
			return err
		}
		i.adoptOrLog(ctx, rec, log)
		return nil
	})
	if err != nil {
		return err
	}
	for _, err := range i.cfg.Store.Watch(ctx, recordKey, after) {
		if err != nil {
			return err
		}
		rec, err := read(ctx, i.cfg.Store)
		if err != nil {
			return err
		}
		if rec != nil {
			i.adoptOrLog(ctx, *rec, log)
		}
	}
	return nil
}

// adoptOrLog keeps the keys as they are if the new ones cannot be opened: this replica needs the new master key.
func (i *Installation) adoptOrLog(ctx context.Context, rec record, log *slog.Logger) {
	if err := i.adopt(ctx, rec); err != nil {
		log.ErrorContext(ctx, "the master key of the installation has been changed, and this replica does not have the new one: give it the new master key and start it again", "cause", err)
	}
}
