package rbac

import (
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Assignment gives a principal a role at a scope.
type Assignment struct {
	Name         string `json:"name"`  // guid
	Scope        string `json:"scope"` // as spelled when it was made
	TenantID     string `json:"tenant"`
	DefinitionID string `json:"role"` // guid
	PrincipalID  string `json:"principal"`
	// PrincipalType is User, Group, ServicePrincipal, ForeignGroup or Device.
	PrincipalType string `json:"principalType"`

	Description *string `json:"description,omitempty"`
	// Condition is stored, not evaluated: an assignment with one gives no rights, so that what was
	// meant to be less than the role is never more.
	Condition                          *string `json:"condition,omitempty"`
	ConditionVersion                   *string `json:"conditionVersion,omitempty"`
	DelegatedManagedIdentityResourceID *string `json:"delegatedManagedIdentityResource,omitempty"`

	CreatedOn time.Time `json:"createdOn"`
	UpdatedOn time.Time `json:"updatedOn"`
	CreatedBy string    `json:"createdBy,omitempty"` // object id
	UpdatedBy string    `json:"updatedBy,omitempty"` // object id
}

// size is how many bytes of an answer an assignment takes, by estimate.
func (a Assignment) size() int {
	const fixed = 900 // ids, times and the names of all fields
	n := fixed + 2*len(a.Scope)
	for _, text := range []*string{a.Description, a.Condition, a.DelegatedManagedIdentityResourceID} {
		if text != nil {
			n += len(*text)
		}
	}
	return n
}

// assignments are the role assignments themselves.
var assignments = store.Table[Assignment]{Kind: store.AssignmentKind, Complete: func(kept store.Record, a *Assignment) error {
	if scope := scopeOf(kept.Key); !arm.SameName(a.Scope, scope) {
		a.Scope = scope // the key decides the scope
	}
	return nil
}}

// scopeKey names a scope in keys. What lies outside of subscriptions, the root above all, exists in
// every tenant and is told apart by the tenant's id. Root, subscription, group, resource: the keys
// of a scope's ancestors and the scope itself are in ascending order, because 0x00 sorts before all
// that an id can hold. Lists page in this order.
func scopeKey(tenant string, scope arm.ID) string {
	if scope.Subscription() == "" {
		return scope.Key() + "\x00" + arm.Fold(tenant)
	}
	return scope.Key()
}

// rowKey is the assignment's record.
func rowKey(scope, name string) string {
	return store.AssignmentKind.Keys + scope + "\x00" + arm.Fold(name)
}

// scopeOf gives the scope in the key of an assignment's record, folded.
func scopeOf(key string) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(key, store.AssignmentKind.Keys), "\x00")
	return scope
}

// nameKey keeps the names of assignments unique in a tenant.
func nameKey(tenant, name string) string {
	return store.AssignmentIndex.Keys + arm.Fold(tenant) + "/" + arm.Fold(name)
}

// countKey is the count record of a subscription.
func countKey(subscription string) string {
	return store.AssignmentCount.Keys + arm.Fold(subscription)
}

// save writes the assignment and its index entry.
func (a *Assignment) save(tx store.Tx, scope string) error {
	if err := assignments.Put(tx, rowKey(scope, a.Name), *a); err != nil {
		return err
	}
	tx.Put(indexKey(a.PrincipalID, scope, a.DefinitionID), a.indexValue())
	return nil
}

// remove deletes all records of the assignment.
func (a *Assignment) remove(tx store.Tx, scope string) {
	tx.Delete(rowKey(scope, a.Name))
	tx.Delete(indexKey(a.PrincipalID, scope, a.DefinitionID))
	tx.Delete(nameKey(a.TenantID, a.Name))
}

// load reads an assignment; store.ErrNotFound passes through.
func load(tx store.Tx, key string) (Assignment, error) { return assignments.Get(tx, key) }
