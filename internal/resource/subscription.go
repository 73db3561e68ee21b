package resource

import (
	"errors"
	"fmt"
	"iter"

	"midas/internal/arm"
	"midas/internal/store"
)

// EnsureSubscription creates a subscription in a tenant unless it exists.
func (s *Service) EnsureSubscription(tx store.Tx, tenant, subscription, name string) error {
	id, err := arm.ParseID("/subscriptions/" + subscription)
	if err != nil {
		return fmt.Errorf("subscription %q: %w", subscription, err)
	}
	if _, err := s.read(tx, recordKey(id)); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	now := s.Now().UTC()
	return s.Put(tx, id, Record{
		ID: id.String(), Type: arm.TypeSubscription, Name: name, State: "Enabled",
		TenantID: tenant, Created: now, Changed: now,
	})
}

// Subscription reads the subscription of an id. Every request calls it.
func (s *Service) Subscription(tx store.Tx, id arm.ID) (Record, error) {
	return s.Get(tx, id.SubscriptionScope())
}

// Subscriptions yields the subscriptions of all tenants, in the order of ids.
func (s *Service) Subscriptions(tx store.Tx) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for entry, err := range tx.Scan(store.Range{Prefix: typePrefix(arm.TypeSubscription, arm.ID{})}) {
			var rec Record
			if err == nil {
				rec, err = s.read(tx, store.ResourceKind.Keys+string(entry.Value))
			}
			if err == nil && !rec.Type.Is(arm.TypeSubscription) {
				continue // its type has the id of a subscription as its last word
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// HasGroups reports whether a subscription has a resource group.
func (s *Service) HasGroups(tx store.Tx, subscription arm.ID) (bool, error) {
	for _, err := range tx.Scan(store.Range{Prefix: typePrefix(arm.TypeResourceGroup, subscription), Limit: 1}) {
		return err == nil, err
	}
	return false, nil
}
