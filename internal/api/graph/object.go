package graph

import (
	"bytes"
	"encoding/json"
)

// property is one property of an object.
type property struct {
	name  string
	value any
}

// object is a JSON object with its properties in the order of the list.
type object []property

// MarshalJSON writes the properties in order. Values are not escaped for HTML.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{p.name, p.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			if err := encode.Encode(v); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // Encode ends with a new line
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// prefixed returns the object with more properties at its beginning.
func (o object) prefixed(first ...property) object { return append(first, o...) }
