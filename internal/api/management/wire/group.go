package wire

import (
	"net/http"

	"midas/internal/arm"
	"midas/internal/odata"
	"midas/internal/resource"
)

// Group is a resource group in an answer.
type Group struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       arm.Type          `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties groupProperties   `json:"properties"`
}

type groupProperties struct {
	ProvisioningState string `json:"provisioningState"`
}

// EncodeGroup encodes a resource group.
func EncodeGroup(rec resource.Record) Group {
	return Group{
		ID: rec.ID, Name: rec.Name, Type: rec.Type, Location: rec.Location, Tags: rec.Tags,
		Properties: groupProperties{ProvisioningState: rec.State},
	}
}

// GroupBody is the body of a PUT or PATCH of a resource group.
type GroupBody struct {
	Location Optional[string]            `json:"location"`
	Tags     Optional[map[string]string] `json:"tags"`
}

// Replace returns the record after a PUT.
func (b GroupBody) Replace(old resource.Record) (resource.Record, error) {
	if b.Location.Value == "" {
		return resource.Record{}, arm.ErrLocationRequired()
	}
	old.Location, old.Tags = b.Location.Value, b.Tags.Value
	return old, nil
}

// Merge returns the record after a PATCH. Tags are replaced as a whole.
func (b GroupBody) Merge(old resource.Record) (resource.Record, error) {
	if b.Location.Value != "" {
		old.Location = b.Location.Value
	}
	b.Tags.Merge(&old.Tags)
	return old, nil
}

// ParseGroupFilter parses the $filter of the list of groups, as in tagName eq 'x' and tagValue eq 'y'.
func ParseGroupFilter(filter string) (func(resource.Record) bool, error) {
	terms, err := odata.Parse(filter)
	if err != nil {
		return nil, errFilter(err.Error())
	}
	f := ResourceFilter{}
	for _, term := range terms {
		if !f.tagTerm(term) {
			return nil, errFilter("only tagName eq and tagValue eq are supported")
		}
	}
	return f.Keeps, nil
}

func errFilter(why string) error {
	return arm.Errorf(http.StatusBadRequest, "InvalidFilterInQueryString", "Invalid $filter in the query string: %s.", why)
}
