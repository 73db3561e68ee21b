package subscription

import (
	"context"
	"errors"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/resource"
	"midas/internal/store"
)

// Wanted is a request for a subscription under an alias.
type Wanted struct {
	Alias    Alias // without SubscriptionID, a new subscription is made
	Existing bool  // the alias is for the existing subscription Alias.SubscriptionID

	// Allow returns an error if the caller may not create a subscription below a management group, or may not make an
	// alias of an existing subscription. It is called in the transaction of the creation.
	Allow func(tx store.Tx, scope arm.ID) error
	// Created gives the owner its role. It is called in the transaction that creates the subscription.
	Created func(tx store.Tx, subscription arm.ID) error
}

// Put creates a subscription and its alias. If the alias exists, Put returns it and changes nothing.
func (s *Service) Put(ctx context.Context, ev activity.Event, w Wanted) (a Alias, created bool, err error) {
	if err := w.check(); err != nil {
		return Alias{}, false, err
	}
	fresh := s.NewID()
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		var err error
		a, err = aliases.Get(tx, aliasKey(w.Alias.TenantID, w.Alias.Name))
		if created = errors.Is(err, store.ErrNotFound); !created {
			return err
		}
		a = w.Alias
		if !w.Existing {
			a.SubscriptionID = fresh
		}
		return s.create(tx, w, &a)
	})
	return a, created, err
}

// create writes what belongs to a new alias.
func (s *Service) create(tx store.Tx, w Wanted, a *Alias) error {
	n, err := lock(tx, a.TenantID)
	if err != nil {
		return err
	}
	if n.Aliases >= MaxAliases {
		return errTooMany("aliases", MaxAliases)
	}
	id, err := arm.ParseID("/subscriptions/" + a.SubscriptionID)
	if err != nil {
		return errInvalidProperty("subscriptionId", a.SubscriptionID)
	}
	if w.Existing {
		err = s.adopt(tx, w, id, a)
	} else {
		err = s.make(tx, w, id, a)
	}
	if err != nil {
		return err
	}
	n.Aliases++
	a.CreatedOn = s.Now().UTC()
	return errors.Join(n.save(tx, a.TenantID), aliases.Put(tx, aliasKey(a.TenantID, a.Name), *a))
}

// adopt checks the existing subscription of a new alias. The right comes first, so that nobody learns which
// subscriptions exist. The alias tells nothing that is not so: an alias changes neither the owner, nor the group, nor the
// tags of an existing subscription.
func (s *Service) adopt(tx store.Tx, w Wanted, id arm.ID, a *Alias) error {
	if err := w.Allow(tx, id); err != nil {
		return err
	}
	rec, err := s.Resources.Get(tx, id)
	if err == nil && !arm.SameName(rec.TenantID, a.TenantID) {
		err = arm.ErrSubscriptionNotFound(a.SubscriptionID)
	}
	if err != nil {
		return err
	}
	a.DisplayName, a.Owner, a.Group, a.Tags = rec.Name, "", "", nil
	return nil
}

// make makes a subscription. The counts, which the caller has locked, guard the number of subscriptions.
func (s *Service) make(tx store.Tx, w Wanted, id arm.ID, a *Alias) error {
	target, err := s.Hierarchy.Target(tx, a.TenantID, a.Group)
	if err != nil {
		return err
	}
	if err := s.allowBelow(tx, w, target); err != nil {
		return err
	}
	total := 0
	for rec, err := range s.Resources.Subscriptions(tx) {
		if err != nil {
			return err
		}
		if arm.SameName(rec.TenantID, a.TenantID) {
			total++
		}
	}
	if total >= MaxSubscriptions {
		return errTooMany("subscriptions", MaxSubscriptions)
	}
	now := s.Now().UTC()
	rec := resource.Record{
		ID: id.String(), Type: arm.TypeSubscription, Name: a.DisplayName, State: Enabled, TenantID: a.TenantID,
		Tags: a.Tags, Created: now, Changed: now,
	}
	if err := s.Resources.Put(tx, id, rec); err != nil {
		return err
	}
	if err := s.Hierarchy.PlaceNew(tx, a.TenantID, a.SubscriptionID, target.Name()); err != nil {
		return err
	}
	return w.Created(tx, id)
}

// allowBelow checks the right to make a subscription below a group. Below a group that its owner has made without a right
// in the tenant, the right at the root group is needed: everybody can become the owner of such a group.
func (s *Service) allowBelow(tx store.Tx, w Wanted, target arm.ID) error {
	if err := w.Allow(tx, target); err != nil {
		return err
	}
	selfMade, err := s.Hierarchy.IsSelfMade(tx, w.Alias.TenantID, target)
	if err != nil || !selfMade {
		return err
	}
	root, err := hierarchy.RootID(w.Alias.TenantID)
	if err != nil {
		return err
	}
	return w.Allow(tx, root)
}
