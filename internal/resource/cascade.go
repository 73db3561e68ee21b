package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

const (
	cascadeStep = 10              // records deleted in one transaction
	sweepEvery  = 5 * time.Minute // between two looks for forgotten and expired operations
)

// DeleteGroup marks a group as going away and leaves the cascade to Run. A group that does not
// exist gives ARM's not-found error; one that is going away already gives a further operation.
func (s *Service) DeleteGroup(ctx context.Context, ev activity.Event, id arm.ID) (Operation, error) {
	op := Operation{Name: s.NewID(), Subscription: id.Subscription(), Group: id.String(), Started: s.Now().UTC()}
	err := s.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := s.Get(tx, id)
		if err != nil {
			return err
		}
		rec.State, rec.Changed = Deleting, op.Started
		if err := putOperation(tx, op); err != nil {
			return err
		}
		return s.Put(tx, id, rec)
	})
	if err != nil {
		return Operation{}, err
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run has been told already
	}
	return op, nil
}

// Run ends the groups that wait for it, those of an earlier process too, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "delete resource groups", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-ticker.C:
		}
	}
}

// sweep works on every open operation and forgets those that ended long ago.
func (s *Service) sweep(ctx context.Context) error {
	var operations []Operation
	err := s.Store.View(ctx, func(tx store.Tx) error {
		operations = operations[:0]
		for kept, err := range tx.Scan(store.Range{Prefix: "o/"}) {
			if err != nil {
				return err
			}
			op, err := decodeOperation(kept)
			if err != nil {
				return err
			}
			operations = append(operations, op)
		}
		return nil
	})
	for _, op := range operations {
		switch {
		case op.Ended.IsZero():
			err = errors.Join(err, s.finish(ctx, op))
		case s.Now().Sub(op.Ended) > operationKept:
			_, failed := s.Store.Update(ctx, func(tx store.Tx) error { tx.Delete(operationKey(op.Name)); return nil })
			err = errors.Join(err, failed)
		}
	}
	return err
}

// finish ends a group: what lies in it, the role assignments at it and below, and then the group
// itself together with the operation. Every step may be repeated. A group that is not going away
// any more was ended by another operation and may have been made anew: it is left alone.
func (s *Service) finish(ctx context.Context, op Operation) error {
	group, err := arm.ParseID(op.Group)
	if err != nil {
		return fmt.Errorf("operation %s: %w", op.Name, err)
	}
	for step := more; step == more; {
		if step, err = s.deleteSome(ctx, group); err != nil {
			return fmt.Errorf("empty %s: %w", group, err)
		}
		if step == empty {
			if err := s.Scopes.DeleteScope(ctx, group); err != nil {
				return fmt.Errorf("delete role assignments of %s: %w", group, err)
			}
		}
	}
	_, err = s.Store.Update(ctx, func(tx store.Tx) error {
		op.Ended = s.Now().UTC()
		if err := putOperation(tx, op); err != nil {
			return err
		}
		rec, err := s.read(tx, recordKey(group))
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != Deleting {
			return nil
		}
		if err != nil {
			return err
		}
		return s.Remove(tx, group, rec)
	})
	if err != nil {
		return fmt.Errorf("end %s: %w", group, err)
	}
	return nil
}

// progress is what one step of a cascade has found.
type progress uint8

const (
	more  progress = iota // deleted some; there may be others
	empty                 // the group holds nothing any more
	gone                  // the group is not going away (any more)
)

// deleteSome deletes a few of the resources of a group that is going away.
func (s *Service) deleteSome(ctx context.Context, group arm.ID) (found progress, err error) {
	_, err = s.Store.Update(ctx, func(tx store.Tx) error {
		found = empty
		rec, err := s.read(tx, recordKey(group))
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != Deleting {
			found = gone
			return nil
		}
		if err != nil {
			return err
		}
		for kept, err := range tx.Scan(store.Range{Prefix: recordKey(group) + "/", Limit: cascadeStep}) {
			if err != nil {
				return err
			}
			found = more
			if err := s.removeGuarded(tx, kept.Key); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// removeGuarded deletes what a scan has found, reading it again so that the transaction notices a
// change in between.
func (s *Service) removeGuarded(tx store.Tx, key string) error {
	rec, err := s.read(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return fmt.Errorf("record %s: %w", key, err)
	}
	return s.Remove(tx, id, rec)
}
