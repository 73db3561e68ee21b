package hierarchy

import (
	"errors"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Deleting is the state of a group that is being deleted.
const Deleting = "Deleting"

// defaultRootName is the display name that Azure gives to the root group.
const defaultRootName = "Tenant Root Group"

const keyGroup = "microsoft.management/managementgroups" // the key of Type

// Group is a management group.
type Group struct {
	Name        string `json:"name"` // as spelled when it was created
	TenantID    string `json:"tenant"`
	DisplayName string `json:"displayName"`
	Parent      string `json:"parent,omitempty"` // the name of the parent; empty for the root group
	State       string `json:"state,omitempty"`  // empty or Deleting

	// SelfMade is whether the group stands below the root group because of a caller without any right there. Azure lets
	// everybody make such groups. Their owners have all rights below them, but must not make subscriptions, for which
	// Azure demands rights at a billing account.
	SelfMade bool `json:"selfMade,omitempty"`

	Version   int       `json:"version"` // counts the changes, from 1
	UpdatedOn time.Time `json:"updatedOn"`
	UpdatedBy string    `json:"updatedBy,omitempty"` // object id

	// CreatedBy is the object id of the creator, who may poll the creation.
	CreatedBy string `json:"createdBy,omitempty"`
}

// GroupID returns the id of the management group of a name.
func GroupID(name string) (arm.ID, error) { return arm.ID{}.Child(Type, name) }

// RootID returns the id of the root group of a tenant.
func RootID(tenant string) (arm.ID, error) { return GroupID(tenant) }

// ID returns the id of the group.
func (g Group) ID() arm.ID {
	id, _ := GroupID(g.Name) // a stored name has passed checkName
	return id
}

// IsRoot reports whether the group is the root group of its tenant.
func (g Group) IsRoot() bool { return arm.SameName(g.Name, g.TenantID) }

var groups = store.Table[Group]{Kind: store.ManagementGroupKind}

func groupKey(tenant, name string) string {
	return store.ManagementGroupKind.Keys + arm.Fold(tenant) + "/" + arm.Fold(name)
}

// load reads a group. The root group exists without a record, too. The error for a group that does not exist is
// store.ErrNotFound.
func load(tx store.Tx, tenant, name string) (Group, error) {
	g, err := groups.Get(tx, groupKey(tenant, name))
	if errors.Is(err, store.ErrNotFound) && arm.SameName(name, tenant) {
		return Group{Name: arm.Fold(tenant), TenantID: arm.Fold(tenant), DisplayName: defaultRootName, Version: 1}, nil
	}
	return g, err
}

func (g Group) save(tx store.Tx) error { return groups.Put(tx, groupKey(g.TenantID, g.Name), g) }

// Kinds of children in index keys.
const (
	childGroup        = "g"
	childSubscription = "s"
)

// childPrefix is the prefix of the index entries of a group's children of one kind.
func childPrefix(tenant, parent, kind string) string {
	return store.ManagementChildIndex.Keys + arm.Fold(tenant) + "/" + arm.Fold(parent) + "/" + kind + "/"
}

func childKey(tenant, parent, kind, child string) string {
	return childPrefix(tenant, parent, kind) + arm.Fold(child)
}

// putChild writes the index entry of a child of a group.
func putChild(tx store.Tx, tenant, parent, kind, child string) {
	tx.Put(childKey(tenant, parent, kind, child), []byte(child))
}
