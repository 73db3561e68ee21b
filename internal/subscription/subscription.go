// Package subscription creates subscriptions and their aliases, renames subscriptions, and cancels and enables
// them.
//
// An alias is the name under which a client has asked for a subscription: putting the same alias again never
// makes a second subscription. The subscription, its place in the hierarchy, the role of its owner and the alias
// are written in one transaction. A count record of the tenant guards the numbers of aliases and subscriptions.
package subscription

import (
	"errors"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/resource"
	"midas/internal/store"
)

// AliasType is the resource type of aliases.
const AliasType arm.Type = "Microsoft.Subscription/aliases"

// The states of a subscription.
const (
	Enabled  = "Enabled"
	Disabled = "Disabled" // by cancel; the subscription is read-only
	Warned   = "Warned"   // read-only, too; Midas does not set it
)

// Limits of Midas. Azure has limits for each billing account instead.
const (
	MaxSubscriptions = 1000 // in a tenant
	MaxAliases       = 2000 // in a tenant
)

// Config has the dependencies of a Service. All fields are required.
type Config struct {
	Store     store.Store
	Log       *activity.Log // of the same store
	Now       func() time.Time
	NewID     func() string
	Resources *resource.Service
	Hierarchy *hierarchy.Service
}

// Service manages the subscriptions of all tenants. It is safe for concurrent use.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

// IsReadOnly reports whether writes in a subscription of a state are refused.
func IsReadOnly(state string) bool { return state == Disabled || state == Warned }

// counts is the record that guards the numbers of a tenant.
type counts struct {
	Aliases int `json:"aliases"`
	Changes int `json:"changes"` // makes each put a change
}

var tallies = store.Table[counts]{Kind: store.AliasCountKind}

// lock reads the counts of a tenant for a change; the caller puts them in the same transaction.
func lock(tx store.Tx, tenant string) (counts, error) {
	n, err := tallies.Get(tx, countKey(tenant))
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	n.Changes++
	return n, err
}

func (n counts) save(tx store.Tx, tenant string) error { return tallies.Put(tx, countKey(tenant), n) }

func countKey(tenant string) string { return store.AliasCountKind.Keys + arm.Fold(tenant) }
