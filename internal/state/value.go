package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
)

// plain returns the members of a mapping that have one of the names, as JSON values.
func plain(n *yaml.Node, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if value := member(n, name); value != nil {
			out[name] = valueOf(value)
		}
	}
	return out
}

// valueOf returns a node without aliases as a JSON value. Numbers are json.Number, so that large ones stay as they are.
func valueOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = valueOf(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i := range n.Content {
			out[i] = valueOf(n.Content[i])
		}
		return out
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		if b, err := strconv.ParseBool(n.Value); err == nil {
			return b
		}
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
		var i int64
		if n.Decode(&i) == nil { // 0x10, 1_000
			return json.Number(strconv.FormatInt(i, 10))
		}
	}
	return n.Value
}

// decode converts a JSON value into a struct.
func decode(value, out any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// message is the text of an error for people: of errors of Resource Manager without the code.
func message(err error) string {
	var refused *arm.Error
	if errors.As(err, &refused) {
		return refused.Message
	}
	return err.Error()
}

// decodeNumbers decodes JSON and keeps numbers as they are written.
func decodeNumbers(text []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(out)
}
