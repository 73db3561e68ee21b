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
	// cascadeStep is the number of store operations that one transaction of a cascade may use for deletions.
	// The rest of store.MaxOperations is for its other reads and writes.
	cascadeStep = store.MaxOperations - 8
	ownerCost   = 10 // store operations that the Owner of a type may use
	// principalCost is the number of store operations that delete the roles of a system-assigned principal.
	// IdentityKeys does not include them.
	principalCost = 6
	sweepEvery    = 5 * time.Minute // between two searches for unfinished and expired operations
)

// cost returns the number of store operations that the deletion of a record needs: for its two keys, for the
// Owner of its type, and for the keys of its identity.
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

// DeleteGroup marks a group as Deleting; Run then deletes its content and the group. If the group does not
// exist, it returns ARM's not-found error. If the group is being deleted already, it returns another
// operation.
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

// tellRun makes Run search for operations now.
func (s *Service) tellRun() {
	select {
	case s.wake <- struct{}{}:
	default: // Run has been told already
	}
}

// sweep finishes every open operation and deletes the records of operations that ended long ago.
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

// forgettable reports whether an operation ended long enough ago that no client polls it any more.
func (s *Service) forgettable(op Operation) bool {
	now := s.Now()
	return now.Sub(op.Ended) > operationKept && s.Retention.Allows(now)
}

// finish carries out an operation.
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

// end deletes a group or a resource that is marked Deleting: first its content, then the role assignments at
// it and below, and at last its record. It runs last in the transaction that deletes the record. Every step
// may be repeated, also by several callers at once. A target that is not marked has been deleted by another
// caller and may have been created again; end leaves it unchanged.
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

// empty deletes the content of a target that is marked Deleting. It returns the revision that the target's
// record had when the target was empty, or 0 if the target is not marked.
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

// removeEmptied deletes the record of a target, if it still has the revision at which the target was empty,
// and runs last. If the record has another revision and is marked Deleting, the target was created again
// and may have content; then removeEmptied does nothing and reports false.
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

// endOperation marks the operation of a group as ended, because clients poll it, and deletes that of a
// resource, because no client polls it.
func (s *Service) endOperation(tx store.Tx, op Operation, target arm.ID) error {
	if !target.IsResourceGroup() {
		tx.Delete(operationKey(op.Name))
		return nil
	}
	op.Ended = s.Now().UTC()
	return putOperation(tx, op)
}

// step is the result of one transaction of a cascade.
type step struct {
	target store.Revision // of the target's record; 0 if it is not marked Deleting
	more   bool           // the transaction found resources, and there may be others
}

// deleteSome deletes some of the resources in a target that is marked Deleting.
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
			kept, err := tx.Get(kept.Key) // again, so that the transaction conflicts with a change of the record
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

// located returns a record to be deleted and the id of its key. If the record has another id, the key
// decides, because everything below the key of a target is deleted with the target.
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
