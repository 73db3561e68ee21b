package installation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/store"
)

// retryAfter is the pause after a failure of the store.
const retryAfter = 5 * time.Second

// Follow adopts the store keys that Reseal at another replica stores, until ctx ends; then it returns nil. It logs
// failures and tries again. It returns ErrMaster if the keys were replaced and the master key, which it reads
// again, does not open them: the replica must not go on with keys that others may have withdrawn. It returns ErrOrigin
// if the origin was changed.
func (i *Installation) Follow(ctx context.Context, log *slog.Logger) error {
	for ctx.Err() == nil {
		err := i.followOnce(ctx)
		if errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrMaster) && !errors.Is(err, errReread) {
			return fmt.Errorf("the keys of the store have been replaced, and the master key of this server does not open them: give it the new master key, and start it again: %w", err)
		}
		if errors.Is(err, ErrOrigin) {
			return fmt.Errorf("the origin of the installation was changed, so this server ends: start it again with the new one, or without a setting for the origin: %w", err)
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

func (i *Installation) followOnce(ctx context.Context) error {
	// An Update, because it returns the revision from which the feed continues.
	after, err := i.cfg.Store.Update(ctx, func(tx store.Tx) error {
		rec, err := records.Get(tx, recordKey)
		if err != nil {
			return err
		}
		return errors.Join(i.adopt(ctx, rec), i.checkOrigin(rec))
	})
	if err != nil {
		return err
	}
	for change, err := range i.cfg.Store.Watch(ctx, recordKey, after) {
		if err != nil {
			return err
		}
		// The servers that have seen another origin end. Then no majority may be left that answers a read, so the change
		// itself must be enough.
		if err := i.checkChange(change); err != nil {
			return err
		}
		rec, err := read(ctx, i.cfg.Store)
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		if err := errors.Join(i.adopt(ctx, *rec), i.checkOrigin(*rec)); err != nil {
			return err
		}
	}
	return nil
}

// checkChange returns ErrOrigin if a change of the record has another origin than this server.
func (i *Installation) checkChange(change store.Change) error {
	if change.Deleted {
		return nil
	}
	rec, err := records.Decode(store.Record{Key: change.Key, Value: change.Value, Revision: change.Revision})
	if err != nil {
		return err
	}
	return i.checkOrigin(rec)
}
