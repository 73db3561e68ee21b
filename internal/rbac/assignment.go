package rbac

import (
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Assignment gives a principal a role at a scope.
type Assignment struct {
	Name         string `json:"name"`  // a GUID
	Scope        string `json:"scope"` // in the spelling of the request that created it
	TenantID     string `json:"tenant"`
	DefinitionID string `json:"role"` // a GUID
	PrincipalID  string `json:"principal"`
	// PrincipalType is User, Group, ServicePrincipal, ForeignGroup or Device.
	PrincipalType string `json:"principalType"`

	Description *string `json:"description,omitempty"`
	// Condition limits the assignment. One that cannot be parsed or evaluated gives no rights.
	Condition                          *string `json:"condition,omitempty"`
	ConditionVersion                   *string `json:"conditionVersion,omitempty"`
	DelegatedManagedIdentityResourceID *string `json:"delegatedManagedIdentityResource,omitempty"`

	CreatedOn time.Time `json:"createdOn"`
	UpdatedOn time.Time `json:"updatedOn"`
	CreatedBy string    `json:"createdBy,omitempty"` // object id
	UpdatedBy string    `json:"updatedBy,omitempty"` // object id
}

// size estimates the size of the assignment in an answer, in bytes.
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

// assignments is the table of role assignments.
var assignments = store.Table[Assignment]{Kind: store.AssignmentKind, Complete: func(kept store.Record, a *Assignment) error {
	if scope := scopeOf(kept.Key); !arm.SameName(a.Scope, scope) {
		a.Scope = scope // the key decides the scope
	}
	return nil
}}

// scopeKey is the part of a key for a scope. Scopes outside of subscriptions, such as the root, exist in every
// tenant, so their part has the tenant's id, too. The keys of root, subscription, group and resource are in
// ascending order, because 0x00 sorts before every character of an id. Lists page in this order.
func scopeKey(tenant string, scope arm.ID) string {
	if scope.Subscription() == "" {
		return scope.Key() + "\x00" + arm.Fold(tenant)
	}
	return scope.Key()
}

// rowKey is the key of an assignment.
func rowKey(scope, name string) string {
	return store.AssignmentKind.Keys + scope + "\x00" + arm.Fold(name)
}

// scopeOf returns the folded scope in the key of an assignment.
func scopeOf(key string) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(key, store.AssignmentKind.Keys), "\x00")
	return scope
}

// nameKey is the key of the record that makes the name of an assignment unique in a tenant.
func nameKey(tenant, name string) string {
	return store.AssignmentIndex.Keys + arm.Fold(tenant) + "/" + arm.Fold(name)
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

// load reads an assignment. The error is store.ErrNotFound if there is none.
func load(tx store.Tx, key string) (Assignment, error) { return assignments.Get(tx, key) }
