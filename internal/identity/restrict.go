package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// equal reports whether two restrictions say the same.
func (r *Restrictions) equal(other *Restrictions) bool {
	if r == nil || other == nil {
		return r == other
	}
	return slices.Equal(r.Providers, other.Providers)
}

// checkUse refuses restrictions that some resource which uses the identity does not meet.
func (s *Service) checkUse(tx store.Tx, i Identity) error {
	if i.Restrictions == nil {
		return nil
	}
	for user, err := range resource.Associations(tx, i.ID, i.PrincipalID) {
		if err != nil {
			return err
		}
		if !i.Restrictions.allows(user.Type()) {
			return arm.Errorf(http.StatusBadRequest, "BadRequest",
				"The assignment restrictions must allow '%s', because the identity is assigned to '%s'. Remove the identity from its resources first.",
				user.Type(), user)
		}
	}
	return nil
}

// RestrictOperation is the kind of the operation that every change of an identity's restrictions begins.
const RestrictOperation = "restrict"

// restriction is the data of a RestrictOperation.
type restriction struct {
	Principal string        `json:"principal"` // which identity of that name
	Was       *Restrictions `json:"was"`
	Is        *Restrictions `json:"is"`
}

// restrict begins the operation of a change of restrictions, in its transaction.
func (s *Service) restrict(tx store.Tx, ev activity.Event, was, is Identity) (op resource.Operation, err error) {
	op = s.Resources.NewOperation(RestrictOperation, ev, is.ID)
	if op.Data, err = json.Marshal(restriction{is.PrincipalID, was.Restrictions, is.Restrictions}); err != nil {
		return op, fmt.Errorf("encode the restrictions of %s: %w", is.ID, err)
	}
	return op, s.Resources.PutOperation(tx, op)
}

// Restrict is the resource.Worker of RestrictOperation.
func (s *Service) Restrict(ctx context.Context, op resource.Operation) error {
	_, err := s.confirm(ctx, op)
	return err
}

// confirm looks again who uses an identity whose restrictions have just changed. Scans are not
// guarded: somebody may have assigned the identity while the change was on its way. From now on
// nobody can, so that what is found now is all that there will be; then the change is taken back, and
// refused says which resource was in its way.
func (s *Service) confirm(ctx context.Context, op resource.Operation) (refused, err error) {
	var change restriction
	if err := json.Unmarshal(op.Data, &change); err != nil {
		return nil, fmt.Errorf("decode operation %s: %w", op.Name, err)
	}
	id, err := arm.ParseID(op.Target)
	if err != nil {
		return nil, fmt.Errorf("operation %s: %w", op.Name, err)
	}
	_, err = s.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		refused = nil
		s.Resources.EndOperation(tx, op)
		rec, err := s.Resources.Get(tx, id)
		if arm.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := s.fromRecord(rec)
		if err != nil || now.PrincipalID != change.Principal || !now.Restrictions.equal(change.Is) {
			return err // somebody else has decided since
		}
		if refused, err = inUse(s.checkUse(tx, now)); err != nil || refused == nil {
			return err
		}
		return s.takeBack(tx, op, rec, now, change.Was)
	})
	if err != nil {
		return nil, fmt.Errorf("confirm the restrictions of %s: %w", id, err)
	}
	return refused, nil
}

// inUse tells the refusal of checkUse from its failures.
func inUse(err error) (refused, failed error) {
	if _, isRefusal := errors.AsType[*arm.Error](err); isRefusal {
		return err, nil
	}
	return nil, err
}

// takeBack gives an identity its former restrictions, and notes that the change has failed.
func (s *Service) takeBack(tx store.Tx, op resource.Operation, rec resource.Record, now Identity, was *Restrictions) (err error) {
	now.Restrictions = was
	if rec.Properties, err = json.Marshal(now.Properties); err != nil {
		return fmt.Errorf("encode identity %s: %w", rec.ID, err)
	}
	if err := s.Resources.Put(tx, now.ID, rec); err != nil {
		return err
	}
	ev := *op.Event
	ev.ID, ev.Status, ev.Code, ev.ErrorCode = "", activity.Failed, http.StatusBadRequest, "BadRequest"
	return s.Log.Append(tx, ev)
}
