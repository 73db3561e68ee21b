package hierarchy

import (
	"context"
	"errors"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// Placement is a request to move a subscription below a group.
type Placement struct {
	TenantID     string
	Group        string
	Subscription string
	Allow        Allow
}

// Place moves a subscription below a group and returns the subscription. It needs the rights to write the
// subscription's management group and role assignments, and to write the old and the new parent, except the root
// group.
func (s *Service) Place(ctx context.Context, ev activity.Event, p Placement) (rec resource.Record, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		to, err := s.parent(tx, p.TenantID, p.Group)
		if err != nil {
			return err
		}
		if rec, err = s.subscription(tx, p); arm.IsNotFound(err) {
			return s.hideAbsence(tx, p, err)
		}
		if err != nil {
			return err
		}
		return s.replace(tx, p, to)
	})
	return rec, err
}

// Remove moves a subscription from a group to the root group. It reports false if the subscription does not stand
// directly below the group. It needs the same rights as Place.
func (s *Service) Remove(ctx context.Context, ev activity.Event, p Placement) (existed bool, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		if _, err := s.Get(tx, p.TenantID, p.Group); err != nil {
			return err
		}
		at, err := placeOf(tx, arm.Fold(p.TenantID), p.Subscription)
		if existed = err == nil && arm.SameName(at, p.Group); err != nil || !existed {
			return err
		}
		if _, err := s.subscription(tx, p); err != nil {
			return err
		}
		root, err := load(tx, p.TenantID, p.TenantID)
		if err != nil {
			return err
		}
		return s.replace(tx, p, root)
	})
	return existed, err
}

// subscription reads the subscription of a placement, which must be of the tenant.
func (s *Service) subscription(tx store.Tx, p Placement) (resource.Record, error) {
	id, err := arm.ParseID("/subscriptions/" + p.Subscription)
	if err != nil || !arm.IsGUID(p.Subscription) {
		return resource.Record{}, arm.ErrSubscriptionNotFound(arm.Clip(p.Subscription))
	}
	rec, err := s.Resources.Get(tx, id)
	if err == nil && !arm.SameName(rec.TenantID, p.TenantID) {
		return resource.Record{}, arm.ErrSubscriptionNotFound(p.Subscription)
	}
	return rec, err
}

// hideAbsence returns the error for a subscription that does not exist, but the refusal to a caller who could not move it
// anyway. So nobody learns which subscriptions exist.
func (s *Service) hideAbsence(tx store.Tx, p Placement, absent error) error {
	id, err := arm.ParseID("/subscriptions/" + p.Subscription)
	if err != nil || !arm.IsGUID(p.Subscription) {
		return absent
	}
	if err := p.Allow(tx, ActionWrite, id); err != nil {
		return err
	}
	return absent
}

// replace moves the subscription of a placement to another parent.
func (s *Service) replace(tx store.Tx, p Placement, to Group) error {
	id, err := arm.ParseID("/subscriptions/" + p.Subscription)
	if err != nil {
		return err
	}
	at, err := placeOf(tx, arm.Fold(p.TenantID), p.Subscription)
	if err != nil {
		return err
	}
	if arm.SameName(at, to.Name) {
		return nil
	}
	from, err := load(tx, p.TenantID, at)
	if err != nil {
		return err
	}
	t, err := lockTree(tx, p.TenantID)
	if err != nil {
		return err
	}
	if err := allowMove(tx, p.Allow, id, from, to, t); err != nil {
		return err
	}
	if err := setPlace(tx, p.TenantID, p.Subscription, from.Name, to.Name); err != nil {
		return err
	}
	return t.save(tx, p.TenantID)
}

// setPlace writes the records of a subscription's parent. from is the old parent, or the root group for a new
// subscription.
func setPlace(tx store.Tx, tenant, subscription, from, to string) error {
	if !arm.SameName(from, tenant) {
		tx.Delete(childKey(tenant, from, childSubscription, subscription))
	}
	if arm.SameName(to, tenant) {
		tx.Delete(placeKey(tenant, subscription))
		return nil
	}
	putChild(tx, tenant, arm.Fold(to), childSubscription, arm.Fold(subscription))
	return places.Put(tx, placeKey(tenant, subscription), place{Group: arm.Fold(to)})
}

// PlaceNew puts a subscription that this transaction creates below a group. The tenant's tree guards that the group
// is not deleted at the same time. An empty group means the default group of the tenant.
func (s *Service) PlaceNew(tx store.Tx, tenant, subscription, group string) error {
	t, err := lockTree(tx, tenant)
	if err != nil {
		return err
	}
	to, err := s.parent(tx, tenant, t.target(tenant, group))
	if err != nil {
		return err
	}
	return errors.Join(setPlace(tx, tenant, subscription, tenant, to.Name), t.save(tx, tenant))
}

// Target returns the id of the group below which a new subscription stands: the group of a name, or the default
// group of the tenant for an empty name.
func (s *Service) Target(tx store.Tx, tenant, group string) (arm.ID, error) {
	t, err := readTree(tx, tenant)
	if err != nil {
		return arm.ID{}, err
	}
	to, err := s.parent(tx, tenant, t.target(tenant, group))
	return to.ID(), err
}

func (t tree) target(tenant, group string) string {
	switch {
	case group != "":
		return group
	case t.Settings.DefaultGroup != "":
		return t.Settings.DefaultGroup
	}
	return tenant
}

// SubscriptionBelow reads a subscription that stands directly below a group.
func (s *Service) SubscriptionBelow(ctx context.Context, tenant, group, subscription string) (n Node, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if _, err := s.Get(tx, tenant, group); err != nil {
			return err
		}
		rec, err := s.subscription(tx, Placement{TenantID: tenant, Subscription: subscription})
		if arm.IsNotFound(err) {
			return errSubscriptionNotBelow(group, arm.Clip(subscription))
		}
		if err != nil {
			return err
		}
		at, err := placeOf(tx, arm.Fold(tenant), subscription)
		if err == nil && !arm.SameName(at, group) {
			err = errSubscriptionNotBelow(group, subscription)
		}
		n = Node{Subscription: &rec, Parent: at}
		return err
	})
	return n, err
}
