package subscription

import (
	"context"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// Rename changes the display name of a subscription.
func (s *Service) Rename(ctx context.Context, ev activity.Event, id arm.ID, name string) error {
	if err := checkName("subscriptionName", name); err != nil {
		return err
	}
	return s.change(ctx, ev, id, func(_ store.Tx, rec *resource.Record) error { rec.Name = name; return nil })
}

// Cancel makes a subscription read-only. If it contains resource groups and force is not set, the error is an
// *arm.Error.
func (s *Service) Cancel(ctx context.Context, ev activity.Event, id arm.ID, force bool) error {
	return s.change(ctx, ev, id, func(tx store.Tx, rec *resource.Record) error {
		if !force {
			full, err := s.Resources.HasGroups(tx, id)
			if err != nil {
				return err
			}
			if full {
				return errHasResources(id.Subscription())
			}
		}
		rec.State = Disabled
		return nil
	})
}

// Enable ends the effect of Cancel.
func (s *Service) Enable(ctx context.Context, ev activity.Event, id arm.ID) error {
	return s.change(ctx, ev, id, func(_ store.Tx, rec *resource.Record) error { rec.State = Enabled; return nil })
}

// change changes the record of a subscription.
func (s *Service) change(ctx context.Context, ev activity.Event, id arm.ID, change func(store.Tx, *resource.Record) error) error {
	return s.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := s.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		before := rec
		if err := change(tx, &rec); err != nil || rec.Name == before.Name && rec.State == before.State {
			return err
		}
		rec.Changed = s.Now().UTC()
		return s.Resources.Put(tx, id, rec)
	})
}
