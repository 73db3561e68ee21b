package rbac

import (
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// EveryonePrincipal is the id of the principal of a deny assignment that denies to everyone. Its type is SystemDefined.
const (
	EveryonePrincipal = "00000000-0000-0000-0000-000000000000"
	SystemDefined     = "SystemDefined"
)

// DenyEffect is what a deny assignment does.
type DenyEffect string

// The effects. Audit denies nothing; it records the accesses that Enforced would deny.
const (
	Enforced DenyEffect = "Enforced"
	Audit    DenyEffect = "Audit"
)

// DenyAssignment denies actions to a principal at a scope and, unless DoNotApplyToChildScopes is set, below it.
type DenyAssignment struct {
	Name        string  `json:"name"`        // a GUID
	Scope       string  `json:"scope"`       // in the spelling of the request that created it
	TenantID    string  `json:"tenant"`      // folded
	DisplayName string  `json:"displayName"` // the property denyAssignmentName
	Description *string `json:"description,omitempty"`

	Permissions             []DenyPermission `json:"permissions"`
	Principals              []DenyPrincipal  `json:"principals"` // exactly one
	ExcludePrincipals       []DenyPrincipal  `json:"exclude,omitempty"`
	DoNotApplyToChildScopes bool             `json:"exact,omitempty"`
	Effect                  DenyEffect       `json:"effect"`
	Condition               *string          `json:"condition,omitempty"`
	ConditionVersion        *string          `json:"conditionVersion,omitempty"`

	CreatedOn time.Time `json:"createdOn"`
	UpdatedOn time.Time `json:"updatedOn"`
	CreatedBy string    `json:"createdBy,omitempty"` // object id
	UpdatedBy string    `json:"updatedBy,omitempty"` // object id
}

// DenyPermission is a set of denied actions: Actions without NotActions, and DataActions without NotDataActions.
type DenyPermission struct {
	Actions          []string `json:"actions,omitempty"`
	NotActions       []string `json:"notActions,omitempty"`
	DataActions      []string `json:"dataActions,omitempty"`
	NotDataActions   []string `json:"notDataActions,omitempty"`
	Condition        *string  `json:"condition,omitempty"`
	ConditionVersion *string  `json:"conditionVersion,omitempty"`
}

// patterns returns all patterns of the permission.
func (p DenyPermission) patterns() []string {
	return slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions)
}

// DenyPrincipal is a principal to whom a deny assignment applies or does not apply.
type DenyPrincipal struct {
	ID   string `json:"id"`   // an object id, folded
	Type string `json:"type"` // User, Group, ServicePrincipal or SystemDefined
}

// IsEveryone reports whether the principal is everyone.
func (p DenyPrincipal) IsEveryone() bool { return arm.SameName(p.ID, EveryonePrincipal) }

var denyAssignments = store.Table[DenyAssignment]{Kind: store.DenyAssignmentKind}

// denyKey is the key of a deny assignment. The scope has the form of scopeKey.
func denyKey(scope, name string) string {
	return store.DenyAssignmentKind.Keys + scope + "\x00" + arm.Fold(name)
}

// denyScopeOf returns the key of the scope in the key of a deny assignment, without the tenant.
func denyScopeOf(key string) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(key, store.DenyAssignmentKind.Keys), "\x00")
	return scope
}
