package wire

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
)

// IdentityBlock is the identity field of a resource in a body.
type IdentityBlock struct {
	Type         Optional[string]                     `json:"type"`
	UserAssigned Optional[map[string]json.RawMessage] `json:"userAssignedIdentities"`
	List         Optional[[]string]                   `json:"identityIds"` // instead of the map, in old versions of Compute
}

// mapped is the first version of Microsoft.Compute with the map.
const mapped arm.Version = "2018-06-01"

// listed reports whether a type has the list of identities in a version, and not the map.
func listed(v arm.Version, typ arm.Type) bool {
	return arm.SameName(typ.Namespace(), "Microsoft.Compute") && v.Compare(mapped) < 0
}

// Assignment is what a PUT, or a PATCH if merge, wants of a resource's identities.
func (b CarrierBody) Assignment(v arm.Version, typ arm.Type, merge bool, allow func(context.Context, []arm.ID) error) (identity.Assignment, error) {
	a := identity.Assignment{Merge: merge, Type: identity.None, Allow: allow}
	if !b.Identity.Present || b.Identity.Null {
		a.Keep = merge && !b.Identity.Null
		return a, nil
	}
	block := b.Identity.Value
	if !block.Type.Present || block.Type.Null {
		return a, arm.ErrInvalidContent("Required property 'type' not found in JSON. Path 'identity'.")
	}
	var known bool
	if a.Type, known = blockType(block.Type.Value); !known {
		return a, arm.ErrInvalidContent("Error converting value \"%.100s\" to an identity type. Path 'identity.type'.", block.Type.Value)
	}
	if listed(v, typ) {
		a.List, a.Attach = true, block.List.Value
		a.Merge = merge && !block.List.Present // a patch replaces a list as a whole
		return a, nil
	}
	for _, id := range slices.Sorted(maps.Keys(block.UserAssigned.Value)) {
		switch value := block.UserAssigned.Value[id]; {
		case len(value) == 0 || string(value) == "null":
			a.Detach = append(a.Detach, id)
		case value[0] == '{':
			a.Attach = append(a.Attach, id)
		default:
			return a, arm.ErrInvalidContent("Error converting a value to an object. Path 'identity.userAssignedIdentities'.")
		}
	}
	return a, nil
}

// blockType reads an identity type, with and without the space, in any case and order.
func blockType(text string) (string, bool) {
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

// Block is the identity field of a resource in an answer.
type Block struct {
	Type         string                   `json:"type"`
	PrincipalID  string                   `json:"principalId,omitempty"`
	TenantID     string                   `json:"tenantId,omitempty"`
	UserAssigned map[string]BlockIdentity `json:"userAssignedIdentities,omitempty"`
	List         []string                 `json:"identityIds,omitempty"`
}

// BlockIdentity is a user-assigned identity in a Block; one that has just been assigned is empty.
type BlockIdentity struct {
	PrincipalID string `json:"principalId,omitempty"`
	ClientID    string `json:"clientId,omitempty"`
}

// EncodeBlock shows the identities of a resource, or nil where it has none.
func EncodeBlock(v arm.Version, c identity.Carrier) *Block {
	if c.Block.Type == identity.None || c.Block.Type == "" {
		return nil
	}
	out := &Block{Type: c.Block.Type, PrincipalID: c.Block.PrincipalID}
	if out.PrincipalID != "" {
		out.TenantID = c.Block.TenantID
	}
	if listed(v, c.Type) {
		out.List = c.Block.UserAssigned
		return out
	}
	for n, id := range c.Block.UserAssigned {
		if out.UserAssigned == nil {
			out.UserAssigned = map[string]BlockIdentity{}
		}
		var shown BlockIdentity
		if !c.Fresh[n] {
			shown.PrincipalID, shown.ClientID = c.Block.Assigned(n)
		}
		out.UserAssigned[id] = shown
	}
	return out
}

// SystemIdentity is a system-assigned identity as a resource of its own.
type SystemIdentity struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Location   string             `json:"location"`
	Tags       map[string]string  `json:"tags,omitempty"`
	Properties IdentityProperties `json:"properties"`
}

// EncodeSystemIdentity shows the system-assigned identity of a resource.
func EncodeSystemIdentity(origin string, c identity.Carrier) SystemIdentity {
	out := SystemIdentity{
		ID: c.ID + "/providers/Microsoft.ManagedIdentity/identities/default", Name: "default",
		Type: "Microsoft.ManagedIdentity/identities", Location: c.Location, Tags: c.Tags,
		Properties: IdentityProperties{TenantID: c.Block.TenantID, PrincipalID: c.Block.PrincipalID, ClientID: c.Block.ClientID},
	}
	out.Properties.SecretURL = secretURL(origin+c.ID, out.Properties)
	return out
}
