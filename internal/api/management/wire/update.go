package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/resource"
)

// updatesByPut reports whether a PUT of an existing resource of a type changes only what its body has, as a PATCH
// does. Microsoft documents this for Microsoft.Compute: fields that are left out or null stay as they are. App
// Service keeps them too; the connectors of Logic Apps, whose types are in the namespace Microsoft.Web too, do not.
func updatesByPut(typ arm.Type) bool {
	namespace := typ.Namespace()
	if !arm.SameName(namespace, "Microsoft.Web") {
		return arm.SameName(namespace, "Microsoft.Compute")
	}
	first, _, _ := strings.Cut(arm.Fold(typ.Path()), "/")
	return first != "connections" && first != "connectiongateways" && first != "customapis"
}

// takesPropertiesWhole reports whether a PUT of a resource that updatesByPut replaces its properties. In these
// resources the caller chooses the names of the properties, so one that is left out is to be removed.
func takesPropertiesWhole(rec resource.Record) bool {
	return arm.SameName(rec.Name, "metadata") && (rec.Type.Is("Microsoft.Web/sites/config") || rec.Type.Is("Microsoft.Web/sites/slots/config"))
}

// withoutOpaque removes the properties which a patch has and whose content only the caller knows, so that the patch
// replaces them as a whole: the settings of an extension of a virtual machine or a scale set.
func withoutOpaque(typ arm.Type, properties, patch json.RawMessage) (json.RawMessage, error) {
	if !strings.HasSuffix(typ.Key(), "/extensions") {
		return properties, nil
	}
	var old, given map[string]json.RawMessage
	if err := errors.Join(decodeObject(properties, &old), decodeObject(patch, &given)); err != nil {
		return nil, err
	}
	names := fieldNames[json.RawMessage]{object: old}
	for name, value := range given {
		if arm.SameName(name, "settings") && string(value) != "null" {
			delete(old, names.find(name))
		}
	}
	return json.Marshal(old)
}

// withoutDerived removes the tier, size and family of an App Service plan whose sku gets another name. They follow
// from the name, so those of the old name are no longer true.
func withoutDerived(typ arm.Type, field string, before, given json.RawMessage) (json.RawMessage, error) {
	if !typ.Is("Microsoft.Web/serverfarms") || !arm.SameName(field, "sku") {
		return before, nil
	}
	var old, sku map[string]any
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(given, &sku) != nil {
		return before, nil // not objects: mergePresent replaces the value
	}
	names, givenNames := fieldNames[any]{object: old}, fieldNames[any]{object: sku}
	name, found := sku[givenNames.find("name")].(string)
	if was, _ := old[names.find("name")].(string); !found || arm.SameName(name, was) {
		return before, nil
	}
	for _, derived := range []string{"tier", "size", "family"} {
		delete(old, names.find(derived))
	}
	return json.Marshal(old)
}

func decodeObject(data json.RawMessage, into *map[string]json.RawMessage) error {
	if len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, into)
}

// update returns the record after a PUT of a resource whose type updatesByPut. Objects are merged; other values,
// among them arrays and empty strings, replace the old ones, so that an empty array removes all entries. Tags
// are replaced as a whole.
func (b ResourceBody) update(old resource.Record) (resource.Record, error) {
	old.Location = b.Location.Value
	if b.Tags.Present && !b.Tags.Null {
		old.Tags = b.Tags.Value
	}
	if old.Extra == nil {
		old.Extra = map[string]json.RawMessage{}
	}
	names := fieldNames[json.RawMessage]{object: old.Extra}
	for name, value := range b.Extra {
		if string(value) == "null" {
			continue
		}
		name = names.find(name)
		before, err := withoutDerived(old.Type, name, old.Extra[name], value)
		if err != nil {
			return old, err
		}
		whole, err := mergePresent(before, value)
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
	if takesPropertiesWhole(old) {
		old.Properties = patch
		return old, nil
	}
	if old.Properties, err = withoutOpaque(old.Type, old.Properties, patch); err != nil {
		return old, err
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
	names := fieldNames[any]{object: into}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // sorted, so that two spellings of a name have one result
		if value := fields[name]; value != nil {
			name = names.find(name)
			into[name] = withPresent(into[name], value)
		}
	}
	return into
}
