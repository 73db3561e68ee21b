package wire

import (
	"net/http"

	"midas/internal/arm"
	"midas/internal/rbac"
)

const (
	roleAssignments arm.Type = "Microsoft.Authorization/roleAssignments"
	roleDefinitions arm.Type = "Microsoft.Authorization/roleDefinitions"
)

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
	PrincipalType    string  `json:"principalType"`
	Scope            string  `json:"scope"`
	Condition        *string `json:"condition"`
	ConditionVersion *string `json:"conditionVersion"`
	CreatedOn        string  `json:"createdOn"`
	UpdatedOn        string  `json:"updatedOn"`
	CreatedBy        *string `json:"createdBy"`
	UpdatedBy        *string `json:"updatedBy"`
	Delegated        *string `json:"delegatedManagedIdentityResourceId"`
	Description      *string `json:"description"`
}

// EncodeRoleAssignment shows an assignment. The answer to its own PUT does not name its creator.
func EncodeRoleAssignment(a rbac.Assignment, put bool) RoleAssignment {
	scope, _ := arm.ParseID(a.Scope) // it was parsed before it was stored
	out := RoleAssignment{
		ID: child(scope, roleAssignments, a.Name), Type: roleAssignments, Name: a.Name,
		Properties: roleAssignmentProperties{
			RoleDefinitionID: definitionID(scope, a.DefinitionID), PrincipalID: a.PrincipalID, PrincipalType: a.PrincipalType,
			Scope: scope.String(), Condition: a.Condition, ConditionVersion: a.ConditionVersion,
			CreatedOn: arm.Time(a.CreatedOn), UpdatedOn: arm.Time(a.UpdatedOn), UpdatedBy: orNull(a.UpdatedBy),
			Delegated: a.DelegatedManagedIdentityResourceID, Description: a.Description,
		},
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
	definition, err := arm.ParseID(p.RoleDefinitionID)
	if err != nil || !definition.Type().Is(roleDefinitions) {
		return rbac.Assignment{}, arm.Errorf(http.StatusBadRequest, "InvalidRoleDefinitionId",
			"The role definition id '%s' is not valid. It must have the form '/subscriptions/{subscription}/providers/%s/{guid}'.", p.RoleDefinitionID, roleDefinitions)
	}
	return rbac.Assignment{
		Name: name, Scope: scope.String(), DefinitionID: definition.Name(), PrincipalID: p.PrincipalID, PrincipalType: p.PrincipalType,
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

// Permission is a permission in an answer. Its lists are never null.
type Permission struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

// EncodeRoleDefinition shows a role as seen from a scope.
func EncodeRoleDefinition(scope arm.ID, d rbac.Definition) RoleDefinition {
	out := RoleDefinition{ID: definitionID(scope, d.ID), Type: roleDefinitions, Name: d.ID}
	out.Properties = roleDefinitionProperties{
		RoleName: d.RoleName, Type: d.Type, Description: d.Description, AssignableScopes: d.AssignableScopes,
		Permissions: EncodePermissions(d.Permissions), CreatedOn: arm.Time(d.CreatedOn), UpdatedOn: arm.Time(d.UpdatedOn),
	}
	return out
}

// EncodePermissions shows permissions.
func EncodePermissions(permissions []rbac.Permission) []Permission {
	out := make([]Permission, len(permissions))
	for i, p := range permissions {
		out[i] = Permission{
			Actions: filled(p.Actions), NotActions: filled(p.NotActions),
			DataActions: filled(p.DataActions), NotDataActions: filled(p.NotDataActions),
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
