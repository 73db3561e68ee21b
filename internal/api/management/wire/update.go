package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"midas/internal/arm"
	"midas/internal/resource"
)

// updatesByPut reports whether a PUT of an existing resource of a type changes only what its body has, as a PATCH
// does. Microsoft documents this for Microsoft.Compute: fields that are left out or null stay as they are. App
// Service keeps them too.
func updatesByPut(typ arm.Type) bool {
	namespace := typ.Namespace()
	return arm.SameName(namespace, "Microsoft.Compute") || arm.SameName(namespace, "Microsoft.Web")
}

// update returns the record after a PUT of a resource whose type updatesByPut. Objects are merged; other values,
// among them arrays and empty strings, replace the old ones, so that an empty array removes all entries. Tags
// are replaced as a whole.
func (b ResourceBody) update(old resource.Record) (resource.Record, error) {
	old.Location = b.Location.Value
	if b.Tags.Present && !b.Tags.Null {
		old.Tags = b.Tags.Value
	}
	for name, value := range b.Extra {
		if string(value) == "null" {
			continue
		}
		if old.Extra == nil {
			old.Extra = map[string]json.RawMessage{}
		}
		name = fieldIn(old.Extra, name)
		whole, err := mergePresent(old.Extra[name], value)
		if err != nil {
			return old, err
		}
		old.Extra[name] = whole
	}
	patch, err := properties(b.Properties.Value)
	if err != nil || patch == nil {
		return old, err
	}
	if removesUserData(patch) {
		old.UserData = nil
	}
	old.Properties, err = mergePresent(old.Properties, patch)
	return old, err
}

// mergePresent merges two JSON values. Nulls in the second value change nothing. Names of fields compare without
// case, because providers read them so, and keep the spelling of the first value.
func mergePresent(target, given json.RawMessage) (json.RawMessage, error) {
	var t, g any
	if err := decodeExactly(target, &t); err != nil {
		return nil, err
	}
	if err := decodeExactly(given, &g); err != nil {
		return nil, err
	}
	out, err := json.Marshal(withPresent(t, g))
	if err != nil {
		return nil, fmt.Errorf("encode a merged value: %w", err)
	}
	return out, nil
}

func withPresent(target, given any) any {
	fields, isObject := given.(map[string]any)
	if !isObject {
		return given
	}
	into, _ := target.(map[string]any)
	if into == nil {
		into = make(map[string]any, len(fields))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // sorted, so that two spellings of a name have one result
		if value := fields[name]; value != nil {
			name = fieldIn(into, name)
			into[name] = withPresent(into[name], value)
		}
	}
	return into
}

// fieldIn returns the spelling that a field has in an object, or the given one if the object does not have it.
func fieldIn[V any](object map[string]V, name string) string {
	if _, has := object[name]; has {
		return name
	}
	for spelled := range object {
		if arm.SameName(spelled, name) {
			return spelled
		}
	}
	return name
}
