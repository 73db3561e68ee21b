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

// equal reports whether two restrictions have the same meaning.
func (r *Restrictions) equal(other *Restrictions) bool {
	if r == nil || other == nil {
		return r == other
	}
	return slices.Equal(r.Providers, other.Providers)
}

// checkUse returns an *arm.Error if the restrictions do not allow a resource that uses the identity.
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
	Principal string        `json:"principal"` // distinguishes the identity from a later one of the same name
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

// confirm checks again the resources that use an identity, after its restrictions have changed. Scans are not
// guarded, so a concurrent request may have assigned the identity to a resource that the new restrictions do
// not allow. No later request can. If there is such a resource, confirm restores the former restrictions, and
// refused is the error that names the resource.
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
			return err // a later change has replaced this one
		}
		if refused, err = inUse(s.checkUse(tx, now)); err != nil || refused == nil {
			return err
		}
		return s.restore(tx, op, rec, now, change.Was)
	})
	if err != nil {
		return nil, fmt.Errorf("confirm the restrictions of %s: %w", id, err)
	}
	return refused, nil
}

// inUse separates the refusal of checkUse from other errors.
func inUse(err error) (refused, failed error) {
	if _, isRefusal := errors.AsType[*arm.Error](err); isRefusal {
		return err, nil
	}
	return nil, err
}

// restore gives an identity its former restrictions, and logs an event that the change has failed.
func (s *Service) restore(tx store.Tx, op resource.Operation, rec resource.Record, now Identity, was *Restrictions) (err error) {
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
