package wire

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
)

// ManagedServiceIdentityBody is the property "identity" of a resource in a request.
type ManagedServiceIdentityBody struct {
	Type         Optional[string]                     `json:"type"`
	UserAssigned Optional[map[string]json.RawMessage] `json:"userAssignedIdentities"`
	List         Optional[[]string]                   `json:"identityIds"` // instead of the map, in old versions of Compute
}

// mapSince is the first version of Microsoft.Compute with the map userAssignedIdentities.
const mapSince arm.Version = "2018-06-01"

// hasIdentityIDs reports whether a version of a type has the list identityIds instead of the map
// userAssignedIdentities.
func hasIdentityIDs(v arm.Version, typ arm.Type) bool {
	return arm.SameName(typ.Namespace(), "Microsoft.Compute") && v.Compare(mapSince) < 0
}

// IdentityChange reads the change that a PUT, or a PATCH if merge, makes to a resource's identities. In
// userAssignedIdentities, an object assigns an identity and null removes one. A request without the property
// "identity" changes none, and so does a PUT with "identity": null: ARM acts on identities only if the body
// has them. A PATCH with "identity": null removes all, unless the type updatesByPut; so does one whose type is
// None. The comment of identity.IdentityChange says which other identities a request removes.
func (b ResourceBody) IdentityChange(v arm.Version, typ arm.Type, merge bool, allow func(context.Context, []arm.ID) error) (identity.IdentityChange, error) {
	a := identity.IdentityChange{Merge: merge, Allow: allow}
	if !b.Identity.Present || b.Identity.Null {
		a.Keep = !merge || !b.Identity.Null || updatesByPut(typ)
		return a, nil
	}
	given := b.Identity.Value
	if !given.Type.Present || given.Type.Null {
		return a, arm.ErrInvalidContent("Required property 'type' not found in JSON. Path 'identity'.")
	}
	var known bool
	if a.Type, known = identityType(given.Type.Value); !known {
		return a, arm.ErrInvalidContent("Error converting value \"%.100s\" to an identity type. Path 'identity.type'.", given.Type.Value)
	}
	if hasIdentityIDs(v, typ) {
		a.List, a.Assign = true, given.List.Value
		a.Merge = merge && !given.List.Present // a PATCH replaces identityIds as a whole: it removes identities that are not in the list
		return a, nil
	}
	if given.List.Present && !given.List.Null && arm.SameName(typ.Namespace(), "Microsoft.Compute") {
		return a, errIdentityIDs()
	}
	for _, id := range slices.Sorted(maps.Keys(given.UserAssigned.Value)) {
		switch value := given.UserAssigned.Value[id]; {
		case len(value) == 0 || string(value) == "null":
			a.Remove = append(a.Remove, id)
		case value[0] == '{':
			a.Assign = append(a.Assign, id)
		default:
			return a, arm.ErrInvalidContent("Error converting a value to an object. Path 'identity.userAssignedIdentities'.")
		}
	}
	return a, nil
}

// errIdentityIDs is the 400 of Microsoft.Compute for identityIds in a version that has the map.
func errIdentityIDs() error {
	err := arm.Errorf(http.StatusBadRequest, "InvalidParameter",
		"ResourceIdentity property identityIds is deprecated. The userAssignedIdentities property should be used instead.")
	err.Target = "resourceIdentity.identityIds"
	return err
}

// identityType parses an identity type. Case, spaces and the order of the two parts do not matter.
func identityType(text string) (string, bool) {
	switch arm.Fold(strings.ReplaceAll(text, " ", "")) {
	case "none":
		return identity.None, true
	case "systemassigned":
		return identity.SystemAssigned, true
	case "userassigned":
		return identity.UserAssigned, true
	case "systemassigned,userassigned", "userassigned,systemassigned":
		return identity.Both, true
	}
	return "", false
}

// ManagedServiceIdentity is the property "identity" of a resource in an answer.
type ManagedServiceIdentity struct {
	Type         string                          `json:"type"`
	PrincipalID  string                          `json:"principalId,omitempty"`
	TenantID     string                          `json:"tenantId,omitempty"`
	UserAssigned map[string]UserAssignedIdentity `json:"userAssignedIdentities,omitempty"`
	List         []string                        `json:"identityIds,omitempty"`
}

// UserAssignedIdentity is a value of userAssignedIdentities. For virtual machines and scale sets, the answer to
// the write that assigns the identity has an empty object, as in Azure.
type UserAssignedIdentity struct {
	PrincipalID string `json:"principalId,omitempty"`
	ClientID    string `json:"clientId,omitempty"`
}

// encodeIdentity encodes the identities of a resource in the form of its provider. It reports false if an answer
// does not have the property "identity". Nil is null.
func encodeIdentity(v arm.Version, c identity.Resource) (value any, shown bool) {
	form := formOf(c.Type)
	out := form.encode(v, c)
	switch {
	case out == nil:
		return nil, form.none == noneNull
	case hasIdentityIDs(v, c.Type):
		out.List = c.Identity.UserAssigned
	default:
		out.UserAssigned = encodeAssigned(c)
	}
	if form.nulls {
		return identityWithNulls(*out), true
	}
	return out, true
}

// identityWithNulls is a ManagedServiceIdentity in the answers of providers that show fields without a value as
// null.
type identityWithNulls ManagedServiceIdentity

// MarshalJSON implements json.Marshaler.
func (m identityWithNulls) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"type": m.Type, "principalId": nil, "tenantId": nil, "userAssignedIdentities": nil}
	if m.PrincipalID != "" {
		fields["principalId"] = m.PrincipalID
	}
	if m.TenantID != "" {
		fields["tenantId"] = m.TenantID
	}
	if m.UserAssigned != nil {
		fields["userAssignedIdentities"] = m.UserAssigned
	}
	return json.Marshal(fields)
}

// SystemIdentity is the extension resource Microsoft.ManagedIdentity/identities: the system-assigned
// identity of a resource.
type SystemIdentity struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Location   string             `json:"location"`
	Tags       map[string]string  `json:"tags,omitempty"`
	Properties IdentityProperties `json:"properties"`
}

// EncodeSystemIdentity encodes the system-assigned identity of a resource.
func EncodeSystemIdentity(origin string, c identity.Resource) SystemIdentity {
	out := SystemIdentity{
		ID: c.ID + "/providers/Microsoft.ManagedIdentity/identities/default", Name: "default",
		Type: "Microsoft.ManagedIdentity/identities", Location: c.Location, Tags: c.Tags,
		Properties: IdentityProperties{TenantID: c.Identity.TenantID, PrincipalID: c.Identity.PrincipalID, ClientID: c.Identity.ClientID},
	}
	out.Properties.SecretURL = secretURL(origin+c.ID, out.Properties)
	return out
}
