package wire

import (
	"net/http"

	"midas/internal/arm"
	"midas/internal/resource"
)

// tagsSuffix is the part of the id of a tags resource after the resource that it extends.
const tagsSuffix = "/providers/Microsoft.Resources/tags/default"

// Tags is the tags of a subscription, a group or a resource, as a resource of their own.
type Tags struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       arm.Type       `json:"type"`
	Properties tagsProperties `json:"properties"`
}

type tagsProperties struct {
	Tags map[string]string `json:"tags"`
}

// EncodeTags encodes the tags of a record. They are never null.
func EncodeTags(rec resource.Record) Tags {
	tags := rec.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return Tags{ID: rec.ID + tagsSuffix, Name: "default", Type: "Microsoft.Resources/tags", Properties: tagsProperties{Tags: tags}}
}

// TagsBody is the body of a PUT or PATCH of tags.
type TagsBody struct {
	Operation  string `json:"operation"` // of a PATCH
	Properties *struct {
		Tags map[string]string `json:"tags"`
	} `json:"properties"`
}

// Replace returns the tags after a PUT.
func (b TagsBody) Replace(map[string]string) (map[string]string, error) {
	if b.Properties == nil {
		return nil, errTagsRequired()
	}
	return b.Properties.Tags, nil
}

// Patch returns the tags after a PATCH with the operation Merge, Replace or Delete.
func (b TagsBody) Patch(tags map[string]string) (map[string]string, error) {
	switch {
	case b.Properties == nil:
		return nil, errTagsRequired()
	case arm.SameName(b.Operation, "Merge"):
		return resource.MergeTags(tags, b.Properties.Tags), nil
	case arm.SameName(b.Operation, "Replace"):
		return b.Properties.Tags, nil
	case arm.SameName(b.Operation, "Delete"):
		return resource.DeleteTags(tags, b.Properties.Tags), nil
	}
	return nil, arm.ErrInvalidContent("The value '%s' of 'operation' is none of 'Merge', 'Replace' and 'Delete'. Path 'operation'", b.Operation)
}

func errTagsRequired() *arm.Error {
	return arm.ErrInvalidContent("Required property 'properties' not found in JSON. Path ''")
}

// ErrTagsName is the 400 for tags of another name than "default".
func ErrTagsName(name string) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidTagsResourceName", "The name '%s' of the tags resource is invalid. It must be 'default'.", name)
}

// TagDetails is a tag name of a subscription.
type TagDetails struct {
	ID      string     `json:"id"`
	TagName string     `json:"tagName"`
	Count   Count      `json:"count"`
	Values  []TagValue `json:"values"`
}

// TagValue is a value of a tag name.
type TagValue struct {
	ID       string `json:"id"`
	TagValue string `json:"tagValue"`
	Count    Count  `json:"count"`
}

// EncodeTagName encodes a tag name of a subscription.
func EncodeTagName(subscription arm.ID, tag resource.TagName) TagDetails {
	out := TagDetails{ID: subscription.String() + "/tagNames/" + tag.Name, TagName: tag.Name, Count: total(tag.Count), Values: []TagValue{}}
	for _, value := range tag.Values {
		out.Values = append(out.Values, EncodeTagValue(subscription, tag.Name, value))
	}
	return out
}

// EncodeTagValue encodes a value of a tag name.
func EncodeTagValue(subscription arm.ID, name string, value resource.TagValue) TagValue {
	return TagValue{
		ID: subscription.String() + "/tagNames/" + name + "/tagValues/" + value.Value, TagValue: value.Value, Count: total(value.Count),
	}
}

func total(n int) Count { return Count{Type: "Total", Value: n} }
