package identity_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"midas/internal/activity"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

// ended is the store of a killed process: every Update fails.
type ended struct{ store.Store }

func (ended) Update(context.Context, func(store.Tx) error) (store.Revision, error) {
	return 0, errors.New("killed")
}

// TestNextStartConfirmsRestrictions assigns an identity while its restrictions change, and kills the
// process before confirm. The next start restores the former restrictions.
func TestNextStartConfirmsRestrictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		put(t, s, app)
		working := s.Store
		_, _, err := s.Put(t.Context(), activity.Event{}, id(t, app), func(i identity.Identity) (identity.Identity, error) {
			if s.Store == working {
				putResource(t, s, group+"/providers/Microsoft.Web/sites/s", assign(identity.UserAssigned, app))
				s.Store = ended{working}
			}
			i.Restrictions = &identity.Restrictions{Providers: []string{"Microsoft.Compute"}}
			return i, nil
		})
		if err == nil {
			t.Fatal("no error from a killed process")
		}
		s.Store = working
		s.Resources.Workers = map[string]resource.Worker{identity.RestrictOperation: s.Restrict}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = s.Resources.Run(ctx); close(done) }()
		synctest.Wait()
		stop()
		<-done
		if now, err := s.Get(t.Context(), id(t, app)); err != nil || now.Restrictions != nil {
			t.Errorf("restricted to %v: %v", now.Restrictions, err)
		}
	})
}
