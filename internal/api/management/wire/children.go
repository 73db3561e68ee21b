package wire

import (
	"encoding/json"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// WithChildren adds nested resources to an array in the properties of their parent. They replace entries of the same
// name.
func WithChildren(v arm.Version, parent resource.Record, at string, children []resource.Record) (resource.Record, error) {
	return editChildren(parent, at, func(entries []json.RawMessage) ([]json.RawMessage, error) {
		entries = withoutNamed(entries, children)
		encoded, err := encodeChildren(v, children)
		return append(entries, encoded...), err
	})
}

// WithExtraChildren adds nested resources to an array beside the properties of their parent.
func WithExtraChildren(v arm.Version, parent resource.Record, at string, children []resource.Record) (resource.Record, error) {
	encoded, err := encodeChildren(v, children)
	if err != nil {
		return parent, err
	}
	parent = parent.Clone()
	if parent.Extra == nil {
		parent.Extra = map[string]json.RawMessage{}
	}
	parent.Extra[at], err = json.Marshal(encoded)
	return parent, err
}

// WithoutChildren removes the entries with the names of nested resources from an array in the properties.
func WithoutChildren(parent resource.Record, at string, children []resource.Record) (resource.Record, error) {
	if len(children) == 0 {
		return parent, nil
	}
	return editChildren(parent, at, func(entries []json.RawMessage) ([]json.RawMessage, error) {
		return withoutNamed(entries, children), nil
	})
}

// editChildren changes an array in the properties of a record. It leaves a value that is not an array.
func editChildren(rec resource.Record, at string, edit func([]json.RawMessage) ([]json.RawMessage, error)) (resource.Record, error) {
	properties := map[string]json.RawMessage{}
	if len(rec.Properties) > 0 {
		if err := json.Unmarshal(rec.Properties, &properties); err != nil {
			return rec, fmt.Errorf("decode properties: %w", err)
		}
	}
	at = (&fieldNames[json.RawMessage]{object: properties}).find(at)
	var entries []json.RawMessage
	if given, has := properties[at]; has && json.Unmarshal(given, &entries) != nil {
		return rec, nil
	}
	had := len(entries)
	entries, err := edit(entries)
	if err != nil || had == 0 && len(entries) == 0 {
		return rec, err
	}
	if properties[at], err = json.Marshal(entries); err != nil {
		return rec, fmt.Errorf("encode %s: %w", at, err)
	}
	rec.Properties, err = json.Marshal(properties)
	return rec, err
}

// withoutNamed returns the entries that do not have the name of one of the records.
func withoutNamed(entries []json.RawMessage, records []resource.Record) []json.RawMessage {
	names := make(map[string]bool, len(records))
	for _, rec := range records {
		names[arm.Fold(rec.Name)] = true
	}
	return slices.DeleteFunc(entries, func(entry json.RawMessage) bool {
		var named struct{ Name string }
		return json.Unmarshal(entry, &named) == nil && names[arm.Fold(named.Name)]
	})
}

func encodeChildren(v arm.Version, children []resource.Record) (all []json.RawMessage, err error) {
	for _, rec := range children {
		encoded, err := json.Marshal(EncodeResource(v, identity.Resource{Record: rec}, rec.State))
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", rec.ID, err)
		}
		all = append(all, encoded)
	}
	return all, nil
}
