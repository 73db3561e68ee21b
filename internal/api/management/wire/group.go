package wire

import (
	"encoding/json"
	"fmt"
	"net/http"

	"midas/internal/arm"
	"midas/internal/resource"
)

// Group is a resource group in an answer.
type Group struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       arm.Type          `json:"type,omitempty"`
	Location   string            `json:"location"`
	ManagedBy  json.RawMessage   `json:"managedBy,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties groupProperties   `json:"properties"`
}

type groupProperties struct {
	ProvisioningState string `json:"provisioningState"`
}

// groupTypeSince is the first api-version in which an answer with a group has its type.
const groupTypeSince arm.Version = "2019-10-01"

// EncodeGroup encodes a resource group.
func EncodeGroup(v arm.Version, rec resource.Record) Group {
	out := Group{
		ID: rec.ID, Name: rec.Name, Location: rec.Location, ManagedBy: rec.Extra[managedBy], Tags: rec.Tags,
		Properties: groupProperties{ProvisioningState: rec.State},
	}
	if v.Compare(groupTypeSince) >= 0 {
		out.Type = rec.Type
	}
	return out
}

// GroupBody is the body of a PUT or PATCH of a resource group.
type GroupBody struct {
	Location  Optional[string]            `json:"location"`
	ManagedBy Optional[string]            `json:"managedBy"`
	Tags      Optional[map[string]string] `json:"tags"`
}

// managedBy is the field that names the resource that manages a group or another resource.
const managedBy = "managedBy"

// maxManagedBy is the maximum length of the field managedBy of a group in bytes. Ids of resources are shorter.
const maxManagedBy = 2048

// Replace returns the record after a PUT. A PUT without managedBy keeps it.
func (b GroupBody) Replace(old resource.Record) (resource.Record, error) {
	if b.Location.Value == "" {
		return resource.Record{}, arm.ErrLocationRequired()
	}
	old.Location, old.Tags = b.Location.Value, b.Tags.Value
	return b.manage(old)
}

// Merge returns the record after a PATCH. Tags are replaced as a whole.
func (b GroupBody) Merge(old resource.Record) (resource.Record, error) {
	if b.Location.Value != "" {
		old.Location = b.Location.Value
	}
	b.Tags.Merge(&old.Tags)
	if b.ManagedBy.Null {
		delete(old.Extra, managedBy)
	}
	return b.manage(old)
}

// manage sets the field managedBy of a group if the body has it.
func (b GroupBody) manage(old resource.Record) (resource.Record, error) {
	if !b.ManagedBy.Present || b.ManagedBy.Null {
		return old, nil
	}
	if len(b.ManagedBy.Value) > maxManagedBy {
		return old, arm.ErrInvalidContent("The value of 'managedBy' is longer than %d bytes", maxManagedBy)
	}
	encoded, err := json.Marshal(b.ManagedBy.Value)
	if err != nil {
		return old, fmt.Errorf("encode managedBy: %w", err)
	}
	if old.Extra == nil {
		old.Extra = map[string]json.RawMessage{}
	}
	old.Extra[managedBy] = encoded
	return old, nil
}

func errFilter(why string) error {
	return arm.Errorf(http.StatusBadRequest, "InvalidFilterInQueryString", "Invalid $filter in the query string: %s.", why)
}
