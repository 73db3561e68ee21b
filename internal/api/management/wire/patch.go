package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// mergePatch applies a merge patch (RFC 7396), except that names of fields compare without case, because providers
// read them so. Numbers keep their spelling.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	var t, p any
	if err := decodeExactly(target, &t); err != nil {
		return nil, err
	}
	if err := decodeExactly(patch, &p); err != nil {
		return nil, err
	}
	out, err := json.Marshal(merged(t, p))
	if err != nil {
		return nil, fmt.Errorf("encode a merged value: %w", err)
	}
	return out, nil
}

func decodeExactly(data json.RawMessage, into *any) error {
	if len(data) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decode a value to merge: %w", err)
	}
	return nil
}

func merged(target, patch any) any {
	fields, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	into, _ := target.(map[string]any)
	if into == nil {
		into = make(map[string]any, len(fields))
	}
	names := fieldNames[any]{object: into}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // sorted, so that two spellings of a name have one result
		value := fields[name]
		if value == nil {
			names.remove(name)
			continue
		}
		name = names.find(name)
		into[name] = merged(into[name], value)
	}
	return into
}
