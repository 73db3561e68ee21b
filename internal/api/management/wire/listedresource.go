package wire

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
)

// ListedResource is an entry in the lists of all resources. It has no properties.
type ListedResource struct {
	ID        string                  `json:"id"`
	Name      string                  `json:"name"`
	Type      arm.Type                `json:"type"`
	Kind      json.RawMessage         `json:"kind,omitempty"`
	Location  string                  `json:"location,omitempty"`
	Tags      map[string]string       `json:"tags,omitempty"`
	SKU       json.RawMessage         `json:"sku,omitempty"`
	Plan      json.RawMessage         `json:"plan,omitempty"`
	ManagedBy json.RawMessage         `json:"managedBy,omitempty"`
	Identity  *ManagedServiceIdentity `json:"identity,omitempty"`

	// The fields that $expand asks for.
	Created string `json:"createdTime,omitempty"`
	Changed string `json:"changedTime,omitempty"`
	State   string `json:"provisioningState,omitempty"`
}

// EncodeListedResource encodes a resource of any type. The name of a nested resource is "parent/child". Under a
// filter by tags, an entry has only its id, name, type and location, as in Azure.
func EncodeListedResource(rec identity.Resource, f ResourceFilter, expand ResourceExpand) ListedResource {
	out := ListedResource{ID: rec.ID, Name: rec.Name, Type: rec.Type, Location: rec.Location}
	id, _ := arm.ParseID(rec.ID) // stored ids are valid
	for up := id.Parent(); up.IsResource(); up = up.Parent() {
		out.Name = up.Name() + "/" + out.Name
	}
	expand.set(&out, rec)
	if f.byTag {
		return out
	}
	out.Tags, out.Kind, out.SKU = rec.Tags, rec.Extra["kind"], rec.Extra["sku"]
	out.Plan, out.ManagedBy = rec.Extra["plan"], rec.Extra[managedBy]
	if out.Identity = listForm().encode("", rec); out.Identity != nil {
		out.Identity.UserAssigned = encodeAssigned(rec)
	}
	return out
}

// ResourceExpand is a parsed $expand of the lists of resources.
type ResourceExpand struct{ created, changed, state bool }

// ParseResourceExpand parses createdTime, changedTime and provisioningState, separated by commas. It ignores other
// names.
func ParseResourceExpand(expand string) (e ResourceExpand) {
	for name := range strings.SplitSeq(expand, ",") {
		switch arm.Fold(strings.TrimSpace(name)) {
		case "createdtime":
			e.created = true
		case "changedtime":
			e.changed = true
		case "provisioningstate":
			e.state = true
		}
	}
	return e
}

func (e ResourceExpand) set(out *ListedResource, rec identity.Resource) {
	if e.created {
		out.Created = arm.Time(rec.Record.Created)
	}
	if e.changed {
		out.Changed = arm.Time(rec.Record.Changed)
	}
	if e.state {
		out.State = rec.Record.State
	}
}
