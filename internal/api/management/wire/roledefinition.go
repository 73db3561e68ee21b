package wire

import (
	"midas/internal/arm"
	"midas/internal/rbac"
)

// RoleDefinition is a role in an answer.
type RoleDefinition struct {
	Properties roleDefinitionProperties `json:"properties"`
	ID         string                   `json:"id"`
	Type       arm.Type                 `json:"type"`
	Name       string                   `json:"name"`
}

type roleDefinitionProperties struct {
	RoleName         string       `json:"roleName"`
	Type             string       `json:"type"`
	Description      string       `json:"description"`
	AssignableScopes []string     `json:"assignableScopes"`
	Permissions      []Permission `json:"permissions"`
	CreatedOn        string       `json:"createdOn"`
	UpdatedOn        string       `json:"updatedOn"`
	CreatedBy        *string      `json:"createdBy"`
	UpdatedBy        *string      `json:"updatedBy"`
}

// Permission is a permission in an answer. Its lists are never null. Versions without data actions omit
// dataActions and notDataActions; a permission without a condition has no condition in any version, as in Azure.
type Permission struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions,omitzero"`
	NotDataActions   []string `json:"notDataActions,omitzero"`
	Condition        string   `json:"condition,omitempty"`
	ConditionVersion string   `json:"conditionVersion,omitempty"`
}

// EncodeRoleDefinition encodes the fields of a role definition that the version has. The id depends on the
// scope from which the client reads it. As in the answer to the PUT of a role assignment, createdBy is null in
// the answer to the PUT of a role.
func EncodeRoleDefinition(v arm.Version, scope arm.ID, d rbac.Definition, put bool) RoleDefinition {
	out := RoleDefinition{ID: definitionID(scope, d.ID), Type: roleDefinitions, Name: d.ID}
	out.Properties = roleDefinitionProperties{
		RoleName: d.RoleName, Type: d.Type, Description: d.Description, AssignableScopes: d.AssignableScopes,
		Permissions: EncodePermissions(v, d.Permissions), CreatedOn: arm.Time(d.CreatedOn), UpdatedOn: arm.Time(d.UpdatedOn),
		UpdatedBy: orNull(d.UpdatedBy),
	}
	if !put {
		out.Properties.CreatedBy = orNull(d.CreatedBy)
	}
	return out
}

// EncodePermissions encodes the fields of permissions that the version has.
func EncodePermissions(v arm.Version, permissions []rbac.Permission) []Permission {
	out := make([]Permission, len(permissions))
	for i, p := range permissions {
		out[i] = Permission{Actions: nonNil(p.Actions), NotActions: nonNil(p.NotActions)}
		if atLeast(v, dataActionsSince) {
			out[i].DataActions, out[i].NotDataActions = nonNil(p.DataActions), nonNil(p.NotDataActions)
		}
		if atLeast(v, permissionConditionSince) {
			out[i].Condition, out[i].ConditionVersion = p.Condition, p.ConditionVersion
		}
	}
	return out
}

// RoleDefinitionBody is the body of a PUT of a role definition.
type RoleDefinitionBody struct {
	Properties *RoleDefinitionSpec `json:"properties"`
}

// RoleDefinitionSpec has the properties of a custom role that a client sets. The conditions of permissions are
// read-only.
type RoleDefinitionSpec struct {
	RoleName         string           `json:"roleName"`
	Type             string           `json:"type,omitempty"`
	Description      string           `json:"description,omitempty"`
	AssignableScopes []string         `json:"assignableScopes"`
	Permissions      []PermissionSpec `json:"permissions"`
}

// PermissionSpec has the fields of a permission that a client sets.
type PermissionSpec struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

// Definition returns the role that the body describes. A version without data actions keeps those of old, the
// role as it is, permission by permission.
func (b RoleDefinitionBody) Definition(v arm.Version, name string, old rbac.Definition) (rbac.Definition, error) {
	p := b.Properties
	if p == nil {
		return rbac.Definition{}, arm.ErrInvalidContent("Required property 'properties' not found in JSON. Path ''")
	}
	d := rbac.Definition{
		ID: name, RoleName: p.RoleName, Type: p.Type, Description: p.Description, AssignableScopes: p.AssignableScopes,
		Permissions: make([]rbac.Permission, len(p.Permissions)),
	}
	for i, given := range p.Permissions {
		permission := rbac.Permission{Actions: given.Actions, NotActions: given.NotActions}
		switch {
		case atLeast(v, dataActionsSince):
			permission.DataActions, permission.NotDataActions = given.DataActions, given.NotDataActions
		case i < len(old.Permissions):
			permission.DataActions, permission.NotDataActions = old.Permissions[i].DataActions, old.Permissions[i].NotDataActions
		}
		d.Permissions[i] = permission
	}
	return d, nil
}
