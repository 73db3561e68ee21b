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

// The first versions of Microsoft.Authorization that have these fields. Answers in older versions omit them.
// createdOn, updatedOn, createdBy and updatedBy are in all answers: the oldest OpenAPI file does not have them,
// but Azure has always sent them. Azure sends principalType from 2018-01-01-preview on, before its OpenAPI files
// have it. Source: Microsoft's OpenAPI and Bicep files of these versions.
const (
	dataActionsSince   arm.Version = "2018-01-01-preview"
	principalTypeSince arm.Version = "2018-01-01-preview"
	conditionSince     arm.Version = "2020-03-01-preview"
	// permissionConditionSince is the first version in which permissions have condition and conditionVersion.
	permissionConditionSince arm.Version = "2022-05-01-preview"

	// From these versions on, a principalType in a request says that the principal exists although the directory
	// does not know it yet.
	servicePrincipalSince arm.Version = "2018-09-01-preview"
	everyTypeSince        arm.Version = "2020-03-01-preview"
)

func atLeast(v, since arm.Version) bool { return v.Compare(since) >= 0 }

// RoleAssignment is a role assignment in an answer. Absent strings are null.
type RoleAssignment struct {
	Properties roleAssignmentProperties `json:"properties"`
	ID         string                   `json:"id"`
	Type       arm.Type                 `json:"type"`
	Name       string                   `json:"name"`
}

type roleAssignmentProperties struct {
	RoleDefinitionID string         `json:"roleDefinitionId"`
	PrincipalID      string         `json:"principalId"`
	PrincipalType    string         `json:"principalType,omitempty"`
	Scope            string         `json:"scope"`
	Condition        nullableString `json:"condition,omitzero"`
	ConditionVersion nullableString `json:"conditionVersion,omitzero"`
	CreatedOn        string         `json:"createdOn"`
	UpdatedOn        string         `json:"updatedOn"`
	CreatedBy        *string        `json:"createdBy"`
	UpdatedBy        *string        `json:"updatedBy"`
	Delegated        nullableString `json:"delegatedManagedIdentityResourceId,omitzero"`
	Description      nullableString `json:"description,omitzero"`
}

// nullableString is a string that is null if it is absent, and omitted in versions without the field.
type nullableString struct {
	known bool // the version has the field
	value *string
}

// IsZero reports whether encoding/json omits the field.
func (t nullableString) IsZero() bool { return !t.known }

// MarshalJSON implements json.Marshaler.
func (t nullableString) MarshalJSON() ([]byte, error) { return json.Marshal(t.value) }

// EncodeRoleAssignment encodes the fields of an assignment that the version has. The role's id is below the
// assignment's subscription or, if its scope is above subscriptions, below that of the scope at which the client
// reads it. As in Azure, createdBy is null in the answer to the PUT of the assignment.
func EncodeRoleAssignment(v arm.Version, at arm.ID, a rbac.Assignment, put bool) RoleAssignment {
	scope, _ := arm.ParseID(a.Scope) // it was parsed before it was stored
	if scope.Subscription() != "" {
		at = scope
	}
	conditions := atLeast(v, conditionSince)
	out := RoleAssignment{
		ID: child(scope, roleAssignments, a.Name), Type: roleAssignments, Name: a.Name,
		Properties: roleAssignmentProperties{
			RoleDefinitionID: definitionID(at, a.DefinitionID), PrincipalID: a.PrincipalID, Scope: scope.String(),
			Condition: nullableString{conditions, a.Condition}, ConditionVersion: nullableString{conditions, a.ConditionVersion},
			CreatedOn: arm.Time(a.CreatedOn), UpdatedOn: arm.Time(a.UpdatedOn), UpdatedBy: orNull(a.UpdatedBy),
			Delegated: nullableString{conditions, a.DelegatedManagedIdentityResourceID}, Description: nullableString{conditions, a.Description},
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

// RoleAssignmentBody is the body of a PUT of a role assignment.
type RoleAssignmentBody struct {
	Properties *RoleAssignmentSpec `json:"properties"`
}

// RoleAssignmentSpec has the properties of a role assignment that a client sets.
type RoleAssignmentSpec struct {
	RoleDefinitionID string  `json:"roleDefinitionId"`
	PrincipalID      string  `json:"principalId"`
	PrincipalType    string  `json:"principalType,omitempty"`
	Condition        *string `json:"condition,omitempty"`
	ConditionVersion *string `json:"conditionVersion,omitempty"`
	Delegated        *string `json:"delegatedManagedIdentityResourceId,omitempty"`
	Description      *string `json:"description,omitempty"`
}

// Write returns what the body wants of the assignment with the given id. Fields that the version does not have are
// ignored.
func (b RoleAssignmentBody) Write(v arm.Version, id arm.ID) (rbac.AssignmentWrite, error) {
	p := b.Properties
	if p == nil || p.RoleDefinitionID == "" || p.PrincipalID == "" {
		return rbac.AssignmentWrite{}, arm.ErrInvalidContent("Required property 'roleDefinitionId' or 'principalId' not found in JSON. Path 'properties'")
	}
	definition, err := rbac.ParseDefinitionID(p.RoleDefinitionID)
	if err != nil {
		return rbac.AssignmentWrite{}, err
	}
	wanted := rbac.AssignmentWrite{KeepsTexts: !atLeast(v, conditionSince), Assignment: rbac.Assignment{
		Name: id.Name(), Scope: id.Base().String(), DefinitionID: definition, PrincipalID: p.PrincipalID, PrincipalType: p.typeIn(v),
	}}
	if !wanted.KeepsTexts {
		wanted.Condition, wanted.ConditionVersion, wanted.Description = p.Condition, p.ConditionVersion, p.Description
		if p.Delegated != nil && *p.Delegated != "" {
			wanted.DelegatedManagedIdentityResourceID = p.Delegated
		}
	}
	return wanted, nil
}

// typeIn returns the type of the principal as far as the version has it. Without a type, it is looked up.
func (p *RoleAssignmentSpec) typeIn(v arm.Version) string {
	if atLeast(v, everyTypeSince) || atLeast(v, servicePrincipalSince) && arm.SameName(p.PrincipalType, "ServicePrincipal") {
		return p.PrincipalType
	}
	return ""
}

// Validation is the answer to the question whether a request would succeed.
type Validation struct {
	IsValid   bool             `json:"isValid"`
	ErrorInfo *ValidationError `json:"errorInfo,omitempty"`
}

// ValidationError says why a request would not succeed.
type ValidationError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// AssignmentUsage is the number of role assignments of a subscription.
type AssignmentUsage struct {
	SubscriptionID string `json:"subscriptionId"`
	Limit          int    `json:"roleAssignmentsLimit"`
	Current        int    `json:"roleAssignmentsCurrentCount"`
	Remaining      int    `json:"roleAssignmentsRemainingCount"`
}

// nonNil replaces nil by an empty list, which JSON encodes as [] and not as null.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// definitionID returns the id of a role definition as read from a scope. It is below the scope's subscription,
// also if the role is built in.
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
