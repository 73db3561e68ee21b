package identity

import (
	"context"
	"encoding/json"
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

// confirm looks again who uses an identity whose restrictions have just changed. Scans are not
// guarded: somebody may have assigned the identity while the change was on its way. From now on
// nobody can, so that what is found now is all that there will be; then the change is taken back.
func (s *Service) confirm(ctx context.Context, ev activity.Event, was, is Identity) error {
	if was.Restrictions.equal(is.Restrictions) {
		return nil
	}
	inUse := s.Store.View(ctx, func(tx store.Tx) error { return s.checkUse(tx, is) })
	if inUse == nil {
		return nil
	}
	ev.Status, ev.Code, ev.ErrorCode = activity.Failed, http.StatusBadRequest, "BadRequest"
	err := s.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := s.Resources.Get(tx, is.ID)
		if err != nil {
			return err
		}
		now, err := s.fromRecord(rec)
		if err != nil || now.PrincipalID != is.PrincipalID || !now.Restrictions.equal(is.Restrictions) {
			return err // somebody else has decided since
		}
		now.Restrictions = was.Restrictions
		if rec.Properties, err = json.Marshal(now.Properties); err != nil {
			return fmt.Errorf("encode identity %s: %w", rec.ID, err)
		}
		return s.Resources.Put(tx, is.ID, rec)
	})
	if err != nil && !isMissing(err) {
		return fmt.Errorf("take back the restrictions of %s: %w", is.ID, err)
	}
	return inUse
}
