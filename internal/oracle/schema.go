package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile returns a validator for a response's schema.
func (o *Oracle) compile(r response) (*jsonschema.Schema, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := r.file + " " + string(r.Schema)
	if schema, compiled := o.schemas[key]; compiled {
		return schema, nil
	}
	var raw any
	if err := json.Unmarshal(r.Schema, &raw); err != nil {
		return nil, fmt.Errorf("decode the schema: %w", err)
	}
	t := translation{oracle: o, names: map[string]string{}, definitions: map[string]any{}}
	root, err := t.schema(r.file, "", raw, true)
	if err != nil {
		return nil, fmt.Errorf("translate the schema: %w", err)
	}
	whole := map[string]any{"$defs": t.definitions}
	maps.Copy(whole, root.(map[string]any))
	const place = "oracle:///answer"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(place, whole); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	schema, err := compiler.Compile(place)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	o.schemas[key] = schema
	return schema, nil
}

// translation translates schemas of Swagger 2.0, whose references can name other files, into one JSON schema
// of draft 2020-12. That draft can forbid further fields in an object that is composed of several others
// (unevaluatedProperties). Draft 4, on which Swagger is based, cannot.
type translation struct {
	oracle      *Oracle
	names       map[string]string // the name in definitions, by reference
	definitions map[string]any
}

// schema translates one schema. A closed schema allows only its own fields. The parts of an allOf must be
// open, because each part also validates the fields of the others.
func (t *translation) schema(file, name string, raw any, closed bool) (any, error) {
	in, isObject := raw.(map[string]any)
	if !isObject {
		return raw, nil // additionalProperties: true
	}
	if ref, isRef := in["$ref"].(string); isRef {
		return t.reference(file, ref, closed)
	}
	out := map[string]any{}
	for _, keyword := range keywords() {
		if value, given := in[keyword]; given {
			out[keyword] = value
		}
	}
	if in["x-nullable"] == true {
		out["type"] = []any{in["type"], "null"}
	}
	if err := t.children(file, name, in, out); err != nil {
		return nil, err
	}
	_, hasFields := in["properties"]
	_, hasParts := in["allOf"]
	if _, open := in["additionalProperties"]; closed && !open && (hasFields || hasParts) {
		out["unevaluatedProperties"] = false
	}
	return out, nil
}

// keywords returns the keywords that have the same meaning in both drafts.
func keywords() []string {
	return []string{
		"type", "enum", "required", "format", "pattern", "minLength", "maxLength",
		"minimum", "maximum", "minItems", "maxItems", "uniqueItems",
	}
}

func (t *translation) children(file, name string, in, out map[string]any) error {
	var err error
	for _, keyword := range []string{"items", "additionalProperties"} {
		if value, given := in[keyword]; given {
			if out[keyword], err = t.schema(file, "", value, true); err != nil {
				return err
			}
		}
	}
	if parts, given := in["allOf"].([]any); given {
		translated := make([]any, len(parts))
		for i, part := range parts {
			if translated[i], err = t.schema(file, "", part, false); err != nil {
				return err
			}
		}
		out["allOf"] = translated
	}
	if fields, given := in["properties"].(map[string]any); given {
		translated := map[string]any{}
		for field, value := range fields {
			if translated[field], err = t.schema(file, "", value, true); err != nil {
				return err
			}
		}
		out["properties"] = translated
		except(name, translated, out)
	}
	return nil
}

// except applies the exceptions of known.go to the definition with that name.
func except(name string, properties, out map[string]any) {
	for _, e := range exceptions() {
		if e.definition != name || name == "" {
			continue
		}
		for _, field := range e.fields {
			switch e.kind {
			case extra:
				if _, listed := properties[field]; !listed {
					properties[field] = map[string]any{}
				}
			case null:
				in := properties
				if of, isMap := strings.CutSuffix(field, ".*"); isMap {
					in, field = properties[of].(map[string]any), "additionalProperties"
				}
				if given, listed := in[field]; listed {
					in[field] = map[string]any{"anyOf": []any{given, map[string]any{"type": "null"}}}
				}
			case absent:
				required, _ := out["required"].([]any)
				out["required"] = slices.DeleteFunc(slices.Clone(required), func(r any) bool { return r == field })
			}
		}
	}
}

// reference translates the schema that a $ref names, once, and returns a reference to the translation.
func (t *translation) reference(file, ref string, closed bool) (any, error) {
	target, raw, err := t.oracle.resolve(file, ref)
	if err != nil {
		return nil, err
	}
	name := path.Base(ref)
	key := target + " " + name + " " + strconv.FormatBool(closed)
	id, translated := t.names[key]
	if !translated {
		id = strconv.Itoa(len(t.names))
		t.names[key] = id
		if t.definitions[id], err = t.schema(target, name, raw, closed); err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
	}
	return map[string]any{"$ref": "#/$defs/" + id}, nil
}
