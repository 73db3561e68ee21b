// Package hierarchy implements the management groups of a tenant, and which subscription stands below which of
// them.
//
// Every tenant has a root group, which is named by the tenant's id. It always exists: until somebody changes it,
// it has no record. Each other group has one parent, and each subscription stands below one group. A
// subscription without a record stands below the root group, so stores of older versions need no migration.
//
// One record of each tenant, the tree, guards the hierarchy: each change of a parent gets it and puts it. So
// concurrent changes happen one after the other, and can neither make a cycle nor leave a child without a
// parent. Its revision also identifies the state of the whole hierarchy: Above caches its answers with that
// revision, and reads one record.
package hierarchy

import (
	"context"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/recent"
	"midas/internal/resource"
	"midas/internal/store"
)

// The resource types of the provider Microsoft.Management.
const (
	Type             arm.Type = "Microsoft.Management/managementGroups"
	SubscriptionType arm.Type = "Microsoft.Management/managementGroups/subscriptions"
	SettingsType     arm.Type = "Microsoft.Management/managementGroups/settings"
)

// Limits of Azure's management groups.
const (
	MaxGroups = 10_000 // in a tenant, besides the root group
	MaxDepth  = 6      // levels of groups below the root group
)

// Config has the dependencies of a Service. Log, Store and Now are required.
type Config struct {
	Store store.Store
	Log   *activity.Log // of the same store
	Now   func() time.Time

	// Resources has the records of the subscriptions.
	Resources *resource.Service

	// DeleteScope removes the role assignments at a group that is being deleted. It is called while the group
	// is marked as Deleting, and may be called again after a crash. Nil removes nothing.
	DeleteScope func(ctx context.Context, tenant string, group arm.ID) error
}

// Service manages the hierarchies of all tenants. It is safe for concurrent use.
type Service struct {
	Config
	chains recent.Cache[chainKey, chain]
}

// New returns a Service.
func New(c Config) *Service { return &Service{Config: c} }
