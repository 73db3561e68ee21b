package rbac

import (
	"time"

	"midas/internal/arm"
)

// The types of definitions.
const (
	BuiltInRole = "BuiltInRole"
	CustomRole  = "CustomRole"
)

// OwnerID is the definition of the role whose last assignment at a subscription cannot be removed.
const OwnerID = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// Permission is a set of allowed actions: Actions without NotActions, and DataActions without NotDataActions.
// NotActions deny nothing: another permission may allow the same action.
type Permission struct {
	Actions        []string `json:"actions,omitempty"`
	NotActions     []string `json:"notActions,omitempty"`
	DataActions    []string `json:"dataActions,omitempty"`
	NotDataActions []string `json:"notDataActions,omitempty"`

	// Condition limits the permission as the condition of an assignment does. Only some built-in roles have one.
	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
}

// Definition is a role. Built-in roles are the same in all tenants; a custom role belongs to one tenant.
type Definition struct {
	ID               string       `json:"id"`               // a GUID, as the creator spelled it
	TenantID         string       `json:"tenant,omitempty"` // empty for built-in roles
	RoleName         string       `json:"roleName"`
	Description      string       `json:"description,omitempty"`
	Type             string       `json:"type"`             // BuiltInRole or CustomRole
	AssignableScopes []string     `json:"assignableScopes"` // the role can be assigned at these scopes and below
	Permissions      []Permission `json:"permissions"`
	CreatedOn        time.Time    `json:"createdOn"`
	UpdatedOn        time.Time    `json:"updatedOn"`
	CreatedBy        string       `json:"createdBy,omitempty"` // object id; empty for built-in roles
	UpdatedBy        string       `json:"updatedBy,omitempty"` // object id; empty for built-in roles
}

// IsCustom reports whether the role is a custom role.
func (d Definition) IsCustom() bool { return d.Type == CustomRole }

// HasDataActions reports whether the role has data actions, which no custom role of a management group may have.
func (d Definition) HasDataActions() bool {
	for _, p := range d.Permissions {
		if len(p.DataActions)+len(p.NotDataActions) > 0 {
			return true
		}
	}
	return false
}

// ParseDefinitionID returns the GUID at the end of a role definition's id, which may begin with any scope.
func ParseDefinitionID(id string) (string, error) {
	parsed, err := arm.ParseID(id)
	if err != nil || !parsed.Type().Is("Microsoft.Authorization/roleDefinitions") {
		return "", errInvalidDefinitionID(id)
	}
	guid, valid := arm.ParseGUID(parsed.Name())
	if !valid {
		return "", errInvalidDefinitionID(id)
	}
	return guid, nil
}
