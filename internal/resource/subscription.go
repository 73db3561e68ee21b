package resource

import (
	"errors"
	"fmt"

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
