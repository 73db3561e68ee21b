package wire

import (
	"encoding/json"

	"midas/internal/arm"
	"midas/internal/rbac"
)

const (
	roleAssignments arm.Type = "Microsoft.Authorization/roleAssignments"
	roleDefinitions arm.Type = "Microsoft.Authorization/roleDefinitions"
)

// The versions with which fields of Microsoft.Authorization came. Before, clients do not see them;
// the times and their authors, which the oldest file does not list, Azure has always shown.
// Source: Microsoft's OpenAPI and Bicep files of these versions.
const (
	dataActionsSince   arm.Version = "2018-01-01-preview"
	principalTypeSince arm.Version = "2018-09-01-preview"
	conditionSince     arm.Version = "2020-03-01-preview"
)

func atLeast(v, since arm.Version) bool { return v.Compare(since) >= 0 }

// RoleAssignment is a role assignment in an answer. Absent texts are null there.
type RoleAssignment struct {
	Properties roleAssignmentProperties `json:"properties"`
	ID         string                   `json:"id"`
	Type       arm.Type                 `json:"type"`
	Name       string                   `json:"name"`
}

type roleAssignmentProperties struct {
	RoleDefinitionID string  `json:"roleDefinitionId"`
	PrincipalID      string  `json:"principalId"`
	PrincipalType    string  `json:"principalType,omitempty"`
	Scope            string  `json:"scope"`
	Condition        text    `json:"condition,omitzero"`
	ConditionVersion text    `json:"conditionVersion,omitzero"`
	CreatedOn        string  `json:"createdOn"`
	UpdatedOn        string  `json:"updatedOn"`
	CreatedBy        *string `json:"createdBy"`
	UpdatedBy        *string `json:"updatedBy"`
	Delegated        text    `json:"delegatedManagedIdentityResourceId,omitzero"`
	Description      text    `json:"description,omitzero"`
}

// text is a text that is null where it is absent, and left out in versions that do not know it.
type text struct {
	known bool
	value *string
}

// IsZero tells encoding/json whether to leave the field out.
func (t text) IsZero() bool { return !t.known }

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) { return json.Marshal(t.value) }

// EncodeRoleAssignment shows of an assignment what a version can see. The answer to its own PUT
// does not name its creator.
func EncodeRoleAssignment(v arm.Version, a rbac.Assignment, put bool) RoleAssignment {
	scope, _ := arm.ParseID(a.Scope) // it was parsed before it was stored
	conditions := atLeast(v, conditionSince)
	out := RoleAssignment{
		ID: child(scope, roleAssignments, a.Name), Type: roleAssignments, Name: a.Name,
		Properties: roleAssignmentProperties{
			RoleDefinitionID: definitionID(scope, a.DefinitionID), PrincipalID: a.PrincipalID, Scope: scope.String(),
			Condition: text{conditions, a.Condition}, ConditionVersion: text{conditions, a.ConditionVersion},
			CreatedOn: arm.Time(a.CreatedOn), UpdatedOn: arm.Time(a.UpdatedOn), UpdatedBy: orNull(a.UpdatedBy),
			Delegated: text{conditions, a.DelegatedManagedIdentityResourceID}, Description: text{conditions, a.Description},
		},
	}
	if atLeast(v, principalTypeSince) {
		out.Properties.PrincipalType = a.PrincipalType
	}
	if !put {
		out.Properties.CreatedBy = orNull(a.CreatedBy)
	}
	return out
}

// RoleAssignmentBody is the body of a PUT.
type RoleAssignmentBody struct {
	Properties *struct {
		RoleDefinitionID string  `json:"roleDefinitionId"`
		PrincipalID      string  `json:"principalId"`
		PrincipalType    string  `json:"principalType"`
		Condition        *string `json:"condition"`
		ConditionVersion *string `json:"conditionVersion"`
		Delegated        *string `json:"delegatedManagedIdentityResourceId"`
		Description      *string `json:"description"`
	} `json:"properties"`
}

// Assignment is what the body asks for at a scope.
func (b RoleAssignmentBody) Assignment(scope arm.ID, name string) (rbac.Assignment, error) {
	p := b.Properties
	if p == nil || p.RoleDefinitionID == "" || p.PrincipalID == "" {
		return rbac.Assignment{}, arm.ErrInvalidContent("Required property 'roleDefinitionId' or 'principalId' not found in JSON. Path 'properties'")
	}
	definition, err := rbac.ParseDefinitionID(p.RoleDefinitionID)
	if err != nil {
		return rbac.Assignment{}, err
	}
	return rbac.Assignment{
		Name: name, Scope: scope.String(), DefinitionID: definition, PrincipalID: p.PrincipalID, PrincipalType: p.PrincipalType,
		Condition: p.Condition, ConditionVersion: p.ConditionVersion, Description: p.Description,
		DelegatedManagedIdentityResourceID: p.Delegated,
	}, nil
}

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

// Permission is a permission in an answer. Its lists are never null, but versions that do not know
// data actions do not have theirs.
type Permission struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions,omitzero"`
	NotDataActions []string `json:"notDataActions,omitzero"`
}

// EncodeRoleDefinition shows of a role, as seen from a scope, what a version can see.
func EncodeRoleDefinition(v arm.Version, scope arm.ID, d rbac.Definition) RoleDefinition {
	out := RoleDefinition{ID: definitionID(scope, d.ID), Type: roleDefinitions, Name: d.ID}
	out.Properties = roleDefinitionProperties{
		RoleName: d.RoleName, Type: d.Type, Description: d.Description, AssignableScopes: d.AssignableScopes,
		Permissions: EncodePermissions(v, d.Permissions), CreatedOn: arm.Time(d.CreatedOn), UpdatedOn: arm.Time(d.UpdatedOn),
	}
	return out
}

// EncodePermissions shows of permissions what a version can see.
func EncodePermissions(v arm.Version, permissions []rbac.Permission) []Permission {
	out := make([]Permission, len(permissions))
	for i, p := range permissions {
		out[i] = Permission{Actions: filled(p.Actions), NotActions: filled(p.NotActions)}
		if atLeast(v, dataActionsSince) {
			out[i].DataActions, out[i].NotDataActions = filled(p.DataActions), filled(p.NotDataActions)
		}
	}
	return out
}

func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// definitionID is how a role is named from within a scope: below its subscription, also when the
// role is built in.
func definitionID(scope arm.ID, guid string) string {
	return child(scope.SubscriptionScope(), roleDefinitions, guid)
}

func child(scope arm.ID, typ arm.Type, name string) string {
	prefix := scope.String()
	if scope.IsRoot() {
		prefix = ""
	}
	return prefix + "/providers/" + string(typ) + "/" + name
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
