package subscription

import (
	"context"
	"errors"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Alias is an alias of a subscription.
type Alias struct {
	Name           string            `json:"name"` // as spelled when it was created
	TenantID       string            `json:"tenant"`
	SubscriptionID string            `json:"subscription"`
	DisplayName    string            `json:"displayName,omitempty"`
	Workload       string            `json:"workload,omitempty"` // Production or DevTest
	BillingScope   string            `json:"billingScope,omitempty"`
	ResellerID     string            `json:"reseller,omitempty"`
	Group          string            `json:"group,omitempty"` // the name of the management group that was asked for
	Owner          string            `json:"owner,omitempty"` // the object id of the owner that was asked for
	Tags           map[string]string `json:"tags,omitempty"`

	CreatedOn     time.Time `json:"createdOn"`
	CreatedBy     string    `json:"createdBy,omitempty"` // user name or client id
	CreatedByType string    `json:"createdByType,omitempty"`
	Creator       string    `json:"creator,omitempty"` // object id
}

var aliases = store.Table[Alias]{Kind: store.SubscriptionAliasKind}

func aliasPrefix(tenant string) string {
	return store.SubscriptionAliasKind.Keys + arm.Fold(tenant) + "/"
}

func aliasKey(tenant, name string) string { return aliasPrefix(tenant) + arm.Fold(name) }

// ReadAlias reads an alias. If there is none, the error is an *arm.Error.
func (s *Service) ReadAlias(tx store.Tx, tenant, name string) (Alias, error) {
	a, err := aliases.Get(tx, aliasKey(tenant, name))
	if errors.Is(err, store.ErrNotFound) {
		return a, errAliasNotFound(name)
	}
	return a, err
}

// Aliases returns the aliases of a tenant, in the order of names.
func (s *Service) Aliases(ctx context.Context, tenant string) (all []Alias, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		all, err = aliases.List(tx, store.Range{Prefix: aliasPrefix(tenant)})
		return err
	})
	return all, err
}

// DeleteAlias deletes an alias. The subscription stays. It reports whether the alias existed.
func (s *Service) DeleteAlias(ctx context.Context, ev activity.Event, tenant, name string) (existed bool, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		_, err := aliases.Get(tx, aliasKey(tenant, name))
		if existed = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := lock(tx, tenant)
		if err != nil {
			return err
		}
		n.Aliases--
		tx.Delete(aliasKey(tenant, name))
		return n.save(tx, tenant)
	})
	return existed, err
}
