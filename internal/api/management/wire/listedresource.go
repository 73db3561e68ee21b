package wire

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/odata"
	"midas/internal/resource"
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
	if f.hasTag || f.hasTagValue {
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

// ResourceFilter is a parsed $filter of the lists of resources.
type ResourceFilter struct {
	Type                           arm.Type // the list to read; empty means all types
	name, group, location          string
	tagName, tagValue              string
	hasName, hasGroup, hasLocation bool
	hasTag, hasTagValue            bool
}

// ParseResourceFilter parses resourceType, name, resourceGroup, location, tagName and tagValue, each
// with eq, joined by and.
func ParseResourceFilter(filter string) (ResourceFilter, error) {
	terms, err := odata.Parse(filter)
	if err != nil {
		return ResourceFilter{}, errFilter(err.Error())
	}
	var f ResourceFilter
	for _, term := range terms {
		if f.tagTerm(term) {
			continue
		}
		if term.Op != "eq" {
			return ResourceFilter{}, errFilter("only the operator eq is supported")
		}
		switch arm.Fold(term.Name) {
		case "resourcetype":
			if arm.CheckType(term.Value) != nil {
				return ResourceFilter{}, errFilter("a resource type has the form namespace/type")
			}
			f.Type = arm.Type(term.Value)
		case "name":
			f.name, f.hasName = term.Value, true
		case "resourcegroup":
			f.group, f.hasGroup = term.Value, true
		case "location":
			f.location, f.hasLocation = arm.Location(term.Value), true
		default:
			return ResourceFilter{}, errFilter("'" + term.Name + "' is not supported")
		}
	}
	return f, nil
}

// tagTerm adds a term about tags to the filter. It reports false for any other term.
func (f *ResourceFilter) tagTerm(term odata.Term) bool {
	if term.Op != "eq" {
		return false
	}
	switch arm.Fold(term.Name) {
	case "tagname":
		f.tagName, f.hasTag = term.Value, true
	case "tagvalue":
		f.tagValue, f.hasTagValue = term.Value, true
	default:
		return false
	}
	return true
}

// Keeps reports whether a record matches the filter. The type is not compared: the list that was read has
// only that type.
func (f ResourceFilter) Keeps(rec resource.Record) bool {
	if f.hasName && !arm.SameName(rec.Name, f.name) || f.hasLocation && rec.Location != f.location {
		return false
	}
	if f.hasGroup {
		id, err := arm.ParseID(rec.ID)
		if err != nil || !arm.SameName(id.ResourceGroup(), f.group) {
			return false
		}
	}
	return f.keepsTags(rec.Tags)
}

// keepsTags reports whether one tag matches both the name and the value of the filter.
func (f ResourceFilter) keepsTags(tags map[string]string) bool {
	if !f.hasTag && !f.hasTagValue {
		return true
	}
	for name, value := range tags {
		if (!f.hasTag || arm.SameName(name, f.tagName)) && (!f.hasTagValue || value == f.tagValue) {
			return true
		}
	}
	return false
}
