package state

import "encoding/json"

// Schema returns the JSON schema (draft 2020-12) of files of declarations. It comes from the table with which Load
// checks files, so it describes exactly what Load accepts.
func Schema() []byte {
	schema := schemaOf(form())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Midas: declared state"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // maps of texts
	}
	return append(text, '\n')
}

// schemaOf returns the schema of a field's value.
func schemaOf(f *field) map[string]any {
	schema := map[string]any{}
	if f.doc != "" {
		schema["description"] = f.doc
	}
	switch f.is {
	case text:
		schema["type"] = []string{"string", "number", "boolean"} // which stand for their texts
		if f.enum != nil {
			schema = map[string]any{"enum": f.enum, "description": f.doc}
		}
	case attribute:
		schema["type"] = []string{"string", "number", "boolean", "null"}
	case boolean:
		schema["type"] = "boolean"
	case number:
		schema["type"] = "integer"
	case list:
		schema["type"], schema["items"] = []string{"array", "null"}, schemaOf(f.elem)
	case mapping:
		schema["type"], schema["additionalProperties"] = []string{"object", "null"}, schemaOf(f.elem)
	case attached:
		schema["anyOf"] = []any{
			map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
			map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"object", "null"}}},
		}
	case record, oneOf:
		schemaOfFields(f, schema)
	}
	return schema
}

func schemaOfFields(f *field, schema map[string]any) {
	properties, required := map[string]any{}, []string{}
	for i := range f.fields {
		properties[f.fields[i].name] = schemaOf(&f.fields[i])
		if f.fields[i].required {
			required = append(required, f.fields[i].name)
		}
	}
	schema["type"], schema["properties"], schema["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		schema["required"] = required
	}
	if f.is == oneOf {
		schema["minProperties"], schema["maxProperties"] = 1, 1
	}
}
