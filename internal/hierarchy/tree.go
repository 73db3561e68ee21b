package hierarchy

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// tree is the record of a tenant that guards its hierarchy. Every transaction that changes a parent, creates or
// deletes a group, or creates a subscription gets it and puts it.
type tree struct {
	Groups  int `json:"groups"`  // the groups besides the root group
	Changes int `json:"changes"` // makes each put a change

	// Deleting are the folded names of the groups that are being deleted, so that a later start finishes them.
	Deleting []string `json:"deleting,omitempty"`

	Settings Settings `json:"settings,omitzero"`
}

// Settings are the hierarchy settings of a tenant. Azure keeps them as a resource below the root group.
type Settings struct {
	// Set is whether the settings exist as a resource.
	Set bool `json:"set,omitempty"`
	// RequireAuthorization demands the right to write the root group from those who create groups below it.
	RequireAuthorization bool `json:"requireAuthorization,omitempty"`
	// DefaultGroup is the folded name of the group below which new subscriptions stand. Empty means the root group.
	DefaultGroup string `json:"defaultGroup,omitempty"`
}

var trees = store.Table[tree]{Kind: store.ManagementTreeKind}

func treeKey(tenant string) string { return store.ManagementTreeKind.Keys + arm.Fold(tenant) }

// lockTree reads the tree of a tenant for a change. The caller must call save in the same transaction.
func lockTree(tx store.Tx, tenant string) (tree, error) {
	t, err := readTree(tx, tenant)
	t.Changes++
	return t, err
}

func readTree(tx store.Tx, tenant string) (tree, error) {
	t, err := trees.Get(tx, treeKey(tenant))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return t, fmt.Errorf("read the hierarchy of tenant %s: %w", tenant, err)
	}
	return t, nil
}

func (t tree) save(tx store.Tx, tenant string) error { return trees.Put(tx, treeKey(tenant), t) }

// place is the record of a subscription below another group than the root group.
type place struct {
	Group string `json:"group"` // the folded name of the group
}

var places = store.Table[place]{Kind: store.SubscriptionPlaceKind}

func placeKey(tenant, subscription string) string {
	return store.SubscriptionPlaceKind.Keys + arm.Fold(tenant) + "/" + arm.Fold(subscription)
}

// placeOf returns the folded name of the group that is the parent of a subscription.
func placeOf(tx store.Tx, tenant, subscription string) (string, error) {
	p, err := places.Get(tx, placeKey(tenant, subscription))
	if errors.Is(err, store.ErrNotFound) {
		return arm.Fold(tenant), nil
	}
	return p.Group, err
}
