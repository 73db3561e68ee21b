package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

const (
	// cascadeStep is how many store operations one transaction of a cascade spends on what it
	// deletes; the rest is for what it reads and marks.
	cascadeStep = store.MaxOperations - 8
	ownerCost   = 8 // what the Owner of a type may use
	// principalCost is what ends a system-assigned principal's roles, beside what IdentityKeys counts.
	principalCost = 4
	sweepEvery    = 5 * time.Minute // between two looks for forgotten and expired operations
)

// cost is how many store operations the end of a record takes: its own two keys, what the Owner of
// its type uses, and the keys of its identity.
func (s *Service) cost(rec Record) int {
	cost := 2 + rec.IdentityKeys
	if rec.IdentityKeys > 0 {
		cost += principalCost
	}
	if _, owned := s.Owners[rec.Type.Key()]; owned {
		cost += ownerCost
	}
	return cost
}

// DeleteGroup marks a group as going away and leaves the cascade to Run. A group that does not
// exist gives ARM's not-found error; one that is going away already gives a further operation.
func (s *Service) DeleteGroup(ctx context.Context, ev activity.Event, id arm.ID) (op Operation, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		op, _, err = s.MarkDeleting(tx, ev, id)
		return err
	})
	if err != nil {
		return Operation{}, err
	}
	s.tellRun()
	return op, nil
}

// tellRun makes Run look for operations now.
func (s *Service) tellRun() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been told already
	}
}

// Run finishes the operations that wait for it, those of an earlier process too, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "finish operations", "error", err)
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
	var all []Operation
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = all[:0]
		for op, err := range operations.Scan(tx, store.Range{Prefix: operationKey("")}) {
			if err != nil {
				return err
			}
			all = append(all, op.Data)
		}
		return nil
	})
	for _, op := range all {
		switch {
		case op.Ended.IsZero():
			err = errors.Join(err, s.finish(ctx, op))
		case s.forgettable(op):
			_, failed := s.Store.Update(ctx, func(tx store.Tx) error { tx.Delete(operationKey(op.Name)); return nil })
			err = errors.Join(err, failed)
		}
	}
	return err
}

// forgettable reports whether nobody polls an operation any more.
func (s *Service) forgettable(op Operation) bool {
	now := s.Now()
	return now.Sub(op.Ended) > operationKept && s.Retention.Allows(now)
}

// finish does what an operation stands for.
func (s *Service) finish(ctx context.Context, op Operation) error {
	if op.Kind != "" {
		return s.work(ctx, op)
	}
	target, err := arm.ParseID(op.Target)
	if err != nil {
		return fmt.Errorf("operation %s: %w", op.Name, err)
	}
	return s.end(ctx, target, func(tx store.Tx) error { return s.endOperation(tx, op, target) })
}

// end ends a group or a resource that is going away: what lies in it, the role assignments at it
// and below, and then the record itself together with whatever last does. Every step may be
// repeated, also by several at once. What is not going away any more was ended by another and may
// have been made anew: it is left alone.
func (s *Service) end(ctx context.Context, target arm.ID, last func(store.Tx) error) error {
	for removed := false; !removed; {
		found, err := s.empty(ctx, target)
		if err != nil {
			return err
		}
		if removed, err = s.removeEmptied(ctx, target, found, last); err != nil {
			return fmt.Errorf("end %s: %w", target, err)
		}
	}
	return nil
}

// empty deletes all that a target which is going away holds. It gives the revision of the target's
// record while it held nothing any more; 0 if the target is not going away.
func (s *Service) empty(ctx context.Context, target arm.ID) (store.Revision, error) {
	for {
		step, err := s.deleteSome(ctx, target)
		if err != nil {
			return 0, fmt.Errorf("empty %s: %w", target, err)
		}
		if step.more {
			continue
		}
		if step.target == 0 {
			return 0, nil
		}
		if err := s.Scopes.DeleteScope(ctx, target); err != nil {
			return 0, fmt.Errorf("delete role assignments of %s: %w", target, err)
		}
		return step.target, nil
	}
}

// removeEmptied removes the record of a target, if it is still the one that was found empty, and runs
// last. It reports false, and does nothing, if the target is going away under another revision: then
// it was made anew meanwhile and may hold something.
func (s *Service) removeEmptied(ctx context.Context, target arm.ID, found store.Revision, last func(store.Tx) error) (removed bool, err error) {
	_, err = s.Store.Update(ctx, func(tx store.Tx) error {
		removed = true
		rec, err := s.read(tx, recordKey(target))
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && rec.State != Deleting:
			return last(tx)
		case err != nil:
			return err
		case rec.Revision != found:
			removed = false
			return nil
		}
		if err := last(tx); err != nil {
			return err
		}
		return s.Remove(tx, target, rec)
	})
	return removed, err
}

// endOperation keeps the operation of a group for those who poll it; nobody polls that of a
// resource.
func (s *Service) endOperation(tx store.Tx, op Operation, target arm.ID) error {
	if !target.IsResourceGroup() {
		tx.Delete(operationKey(op.Name))
		return nil
	}
	op.Ended = s.Now().UTC()
	return putOperation(tx, op)
}

// step is what one transaction of a cascade has found.
type step struct {
	target store.Revision // of the target's record; 0 if it is not going away (any more)
	more   bool           // some was deleted, and there may be others
}

// deleteSome deletes a few of the resources in a target that is going away.
func (s *Service) deleteSome(ctx context.Context, target arm.ID) (found step, err error) {
	_, err = s.Store.Update(ctx, func(tx store.Tx) error {
		found = step{}
		rec, err := s.read(tx, recordKey(target))
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != Deleting {
			return nil
		}
		if err != nil {
			return err
		}
		found.target = rec.Revision
		left := cascadeStep
		for kept, err := range tx.Scan(store.Range{Prefix: recordKey(target) + "/", Limit: cascadeStep}) {
			if err != nil {
				return err
			}
			found.more = true
			kept, err := tx.Get(kept.Key) // again, so that the transaction notices a change in between
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			id, rec, err := located(kept)
			if err != nil {
				return err
			}
			if left -= s.cost(rec); left < 0 {
				break
			}
			if err := s.Remove(tx, id, rec); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// located gives a record that is to be deleted and the id under which it lies. That decides, should
// the record hold another id: what lies below a target always goes with it.
func located(kept store.Record) (arm.ID, Record, error) {
	rec, err := misplaced.Decode(kept)
	if err != nil {
		return arm.ID{}, Record{}, err
	}
	key := strings.TrimPrefix(kept.Key, store.ResourceKind.Keys)
	if !arm.SameName(rec.ID, key) {
		rec.ID = key
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return arm.ID{}, Record{}, fmt.Errorf("record %s: %w", kept.Key, err)
	}
	return id, rec, nil
}
