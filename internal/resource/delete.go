package resource

import (
	"context"
	"errors"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Delete ends a resource, what is nested in it or extends it, and the role assignments at all of
// them. It tells whether there was anything to delete. A missing group is an error, and what
// Config.Ending gives.
//
// The record is first marked as going away, which keeps others from creating anything in it. Should
// Midas stop before the rest is done, Run goes on with it.
func (s *Service) Delete(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	return s.DeleteWith(ctx, ev, id, func(store.Tx, bool) error { return nil })
}

// DeleteWith is Delete with further writes in the transaction that marks the record. The function is
// told whether the mark is new: it is not where another deletion of the resource is under way.
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

// MarkDeleting marks a resource or a group as going away, in the caller's transaction, and begins the
// operation that ends it. The mark of another deletion is left as it is; then marked is false. What
// does not exist gives ARM's not-found error.
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

// ending asks whether a resource or a group may be deleted with all that is in it.
func (s *Service) ending(tx store.Tx, rec Record, id arm.ID) error {
	if s.Ending == nil {
		return nil
	}
	return s.Ending(tx, rec, id)
}

// Settled runs a write. When it meets a resource that is going away, it helps to end that, and runs
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
