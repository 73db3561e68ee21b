package wire

import (
	"cmp"

	"midas/internal/arm"
	"midas/internal/rbac"
)

const denyAssignments arm.Type = "Microsoft.Authorization/denyAssignments"

// The first versions of deny assignments that have these fields. Source: Microsoft's OpenAPI files.
const (
	denyConditionSince arm.Version = "2022-04-01" // and who has written it, and when
	denyEffectSince    arm.Version = "2024-07-01-preview"
)

// DenyAssignment is a deny assignment in an answer.
type DenyAssignment struct {
	Properties denyAssignmentProperties `json:"properties"`
	ID         string                   `json:"id"`
	Type       arm.Type                 `json:"type"`
	Name       string                   `json:"name"`
}

type denyAssignmentProperties struct {
	DenyAssignmentName      string           `json:"denyAssignmentName"`
	Description             *string          `json:"description,omitempty"`
	Permissions             []denyPermission `json:"permissions"`
	Scope                   string           `json:"scope"`
	DoNotApplyToChildScopes bool             `json:"doNotApplyToChildScopes"`
	Principals              []denyPrincipal  `json:"principals"`
	ExcludePrincipals       []denyPrincipal  `json:"excludePrincipals"`
	IsSystemProtected       bool             `json:"isSystemProtected"`
	Condition               *string          `json:"condition,omitempty"`
	ConditionVersion        *string          `json:"conditionVersion,omitempty"`
	CreatedOn               string           `json:"createdOn,omitempty"`
	UpdatedOn               string           `json:"updatedOn,omitempty"`
	CreatedBy               string           `json:"createdBy,omitempty"`
	UpdatedBy               string           `json:"updatedBy,omitempty"`
	Effect                  rbac.DenyEffect  `json:"denyAssignmentEffect,omitempty"`
}

type denyPermission struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions"`
	NotDataActions   []string `json:"notDataActions"`
	Condition        *string  `json:"condition,omitempty"`
	ConditionVersion *string  `json:"conditionVersion,omitempty"`
}

type denyPrincipal struct {
	ID   string `json:"id"`
	Type string `json:"type,omitempty"`
}

// EncodeDenyAssignment encodes the fields of a deny assignment that the version has.
func EncodeDenyAssignment(v arm.Version, d rbac.DenyAssignment) DenyAssignment {
	scope, _ := arm.ParseID(d.Scope) // it was parsed before it was stored
	conditions := atLeast(v, denyConditionSince)
	p := denyAssignmentProperties{
		DenyAssignmentName: d.DisplayName, Description: d.Description, Scope: scope.String(),
		DoNotApplyToChildScopes: d.DoNotApplyToChildScopes, Permissions: encodeDenyPermissions(d.Permissions, conditions),
		Principals: encodeDenyPrincipals(d.Principals), ExcludePrincipals: encodeDenyPrincipals(d.ExcludePrincipals),
	}
	if conditions {
		p.Condition, p.ConditionVersion = d.Condition, d.ConditionVersion
		p.CreatedOn, p.UpdatedOn, p.CreatedBy, p.UpdatedBy = arm.Time(d.CreatedOn), arm.Time(d.UpdatedOn), d.CreatedBy, d.UpdatedBy
	}
	if atLeast(v, denyEffectSince) {
		p.Effect = d.Effect
	}
	return DenyAssignment{Properties: p, ID: child(scope, denyAssignments, d.Name), Type: denyAssignments, Name: d.Name}
}

func encodeDenyPermissions(permissions []rbac.DenyPermission, conditions bool) []denyPermission {
	out := make([]denyPermission, len(permissions))
	for i, p := range permissions {
		out[i] = denyPermission{
			Actions: nonNil(p.Actions), NotActions: nonNil(p.NotActions),
			DataActions: nonNil(p.DataActions), NotDataActions: nonNil(p.NotDataActions),
		}
		if conditions {
			out[i].Condition, out[i].ConditionVersion = p.Condition, p.ConditionVersion
		}
	}
	return out
}

func encodeDenyPrincipals(principals []rbac.DenyPrincipal) []denyPrincipal {
	out := make([]denyPrincipal, len(principals))
	for i, p := range principals {
		out[i] = denyPrincipal(p)
	}
	return out
}

// DenyAssignmentBody is the body of a PUT of a deny assignment.
type DenyAssignmentBody struct {
	Properties *denyAssignmentSpec `json:"properties"`
}

type denyAssignmentSpec struct {
	DenyAssignmentName      string           `json:"denyAssignmentName"`
	Description             *string          `json:"description"`
	Permissions             []denyPermission `json:"permissions"`
	Scope                   string           `json:"scope"`
	DoNotApplyToChildScopes bool             `json:"doNotApplyToChildScopes"`
	Principals              []denyPrincipal  `json:"principals"`
	ExcludePrincipals       []denyPrincipal  `json:"excludePrincipals"`
	IsSystemProtected       bool             `json:"isSystemProtected"`
	Condition               *string          `json:"condition"`
	ConditionVersion        *string          `json:"conditionVersion"`
	Effect                  string           `json:"denyAssignmentEffect"`
}

// DenyAssignment returns the deny assignment that the body describes. The effect is Enforced if the body has none.
func (b DenyAssignmentBody) DenyAssignment(scope arm.ID, name string) (rbac.DenyAssignment, error) {
	p := b.Properties
	switch {
	case p == nil || p.DenyAssignmentName == "":
		return rbac.DenyAssignment{}, arm.ErrInvalidContent("Required property 'denyAssignmentName' not found in JSON. Path 'properties'")
	case p.IsSystemProtected:
		return rbac.DenyAssignment{}, arm.ErrInvalidContent("The property 'isSystemProtected' cannot be set. Path 'properties.isSystemProtected'")
	case p.Scope != "" && !sameScope(p.Scope, scope):
		return rbac.DenyAssignment{}, arm.ErrInvalidContent("The property 'scope' must be the scope in the path of the request. Path 'properties.scope'")
	}
	d := rbac.DenyAssignment{
		Name: name, DisplayName: p.DenyAssignmentName, Description: p.Description, DoNotApplyToChildScopes: p.DoNotApplyToChildScopes,
		Effect: denyEffect(p.Effect), Condition: p.Condition, ConditionVersion: p.ConditionVersion,
		Principals: decodeDenyPrincipals(p.Principals), ExcludePrincipals: decodeDenyPrincipals(p.ExcludePrincipals),
	}
	for _, q := range p.Permissions {
		d.Permissions = append(d.Permissions, rbac.DenyPermission(q))
	}
	return d, nil
}

func sameScope(given string, scope arm.ID) bool {
	id, err := arm.ParseID(given)
	return err == nil && id.Key() == scope.Key()
}

// denyEffect returns the effect in the spelling of the API.
func denyEffect(given string) rbac.DenyEffect {
	for _, e := range [...]rbac.DenyEffect{rbac.Enforced, rbac.Audit} {
		if arm.SameName(cmp.Or(given, string(rbac.Enforced)), string(e)) {
			return e
		}
	}
	return rbac.DenyEffect(given)
}

func decodeDenyPrincipals(principals []denyPrincipal) []rbac.DenyPrincipal {
	var out []rbac.DenyPrincipal
	for _, p := range principals {
		out = append(out, rbac.DenyPrincipal(p))
	}
	return out
}
