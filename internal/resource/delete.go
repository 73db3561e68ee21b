package resource

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Delete ends a resource, what is nested in it or extends it, and the role assignments at all of
// them. It tells whether there was anything to delete; only a missing group is an error.
//
// The record is first marked as going away, which keeps others from creating anything in it. Should
// Midas stop before the rest is done, Run goes on with it.
func (s *Service) Delete(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	if _, err := s.Find(ctx, id); IsMissing(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	op := Operation{Name: s.NewID(), Subscription: id.Subscription(), Target: id.String(), Starter: ev.CallerObjectID, Started: s.Now().UTC()}
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := s.Get(tx, id)
		existed = !IsMissing(err)
		if !existed {
			return nil
		}
		if err != nil {
			return err
		}
		rec.State, rec.Changed = Deleting, op.Started
		if err := putOperation(tx, op); err != nil {
			return err
		}
		return s.Put(tx, id, rec)
	})
	if err != nil || !existed {
		return false, err
	}
	if err := s.finish(context.WithoutCancel(ctx), op); err != nil {
		s.tellRun()
		return true, err
	}
	return true, nil
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

// IsMissing tells ARM's words for a missing resource, be it for want of its parent; a missing group is
// another matter.
func IsMissing(err error) bool {
	var e *arm.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound && (e.Code == "ResourceNotFound" || e.Code == arm.CodeParentNotFound)
}
