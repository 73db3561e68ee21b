package resource

import (
	"context"
	"errors"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Delete deletes a resource, the resources that are nested in it or extend it, and the role assignments at all
// of them. It reports whether the resource existed. It returns an error if the group does not exist, and
// the error of Config.Ending.
//
// It first marks the record as Deleting, so that nothing can be created in the resource any more. If the
// process stops before the rest is done, Run finishes the deletion.
func (s *Service) Delete(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	return s.DeleteWith(ctx, ev, id, func(store.Tx, bool) error { return nil })
}

// DeleteWith is like Delete, and runs with in the transaction that marks the record. The argument marked is
// false if another deletion had marked the record before.
func (s *Service) DeleteWith(ctx context.Context, ev activity.Event, id arm.ID, with func(tx store.Tx, marked bool) error) (existed bool, err error) {
	if _, err := s.Find(ctx, id); arm.IsResourceNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var op Operation
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		marked := false
		op, marked, err = s.MarkDeleting(tx, ev, id)
		if existed = !arm.IsResourceNotFound(err); !existed {
			return nil
		}
		if err != nil {
			return err
		}
		return with(tx, marked)
	})
	if err != nil || !existed {
		return false, err
	}
	return true, s.Finish(ctx, op)
}

// MarkDeleting marks a resource or a group as Deleting, in the caller's transaction, and begins the operation
// that deletes it. If another deletion has marked it before, marked is false and the record is unchanged.
// If it does not exist, the error is ARM's not-found error.
func (s *Service) MarkDeleting(tx store.Tx, ev activity.Event, id arm.ID) (op Operation, marked bool, err error) {
	rec, err := s.Get(tx, id)
	if err != nil {
		return Operation{}, false, err
	}
	if err := s.ending(tx, rec, id); err != nil {
		return Operation{}, false, err
	}
	op = s.NewOperation("", ev, id)
	if err := putOperation(tx, op); err != nil {
		return Operation{}, false, err
	}
	if rec.State == Deleting {
		return op, false, nil
	}
	rec.State, rec.Changed = Deleting, op.Started
	return op, true, s.Put(tx, id, rec)
}

// ending returns the error of Config.Ending if a resource or a group, with its content, may not be deleted.
func (s *Service) ending(tx store.Tx, rec Record, id arm.ID) error {
	if s.Ending == nil {
		return nil
	}
	return s.Ending(tx, rec, id)
}

// Settled runs a write of a resource. If the resource is being deleted, Settled finishes the deletion and runs
// the write again, so that a delete and a write of one resource always happen one after the other.
func (s *Service) Settled(ctx context.Context, id arm.ID, write func() error) error {
	for range 8 {
		err := write()
		var e *arm.Error
		if !errors.As(err, &e) || e.Code != codeBeingDeleted {
			return err
		}
		if err := s.end(ctx, id, func(store.Tx) error { return nil }); err != nil {
			return err
		}
	}
	return write()
}
