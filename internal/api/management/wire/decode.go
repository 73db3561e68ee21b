package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// Decode reads the one JSON object of a request's body. Unknown fields are ignored, as ARM's
// providers do; anything else that does not fit is an arm.Error that says where.
func Decode(body []byte, into any) error {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return arm.ErrInvalidContent("The request body is empty")
	}
	if trimmed[0] != '{' {
		return arm.ErrInvalidContent("The request body is not a JSON object")
	}
	if !utf8.Valid(body) { // what is kept as it is given would be given back as no JSON
		return arm.ErrInvalidContent("The request body is not UTF-8")
	}
	if arm.TooDeep(body) {
		return arm.ErrInvalidContent("The JSON text is nested more than %d levels deep", arm.MaxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		return contentError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return arm.ErrInvalidContent("There is something after the JSON object")
	}
	return nil
}

func contentError(err error) error {
	var wrongType *json.UnmarshalTypeError
	var armError *arm.Error
	switch {
	case errors.As(err, &armError):
		return armError
	case errors.As(err, &wrongType):
		return arm.ErrInvalidContent("Error converting a value of type '%s'. Path '%s', position %d", wrongType.Value, wrongType.Field, wrongType.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return arm.ErrInvalidContent("Unexpected end of the JSON text")
	}
	return arm.ErrInvalidContent("%s", strings.TrimPrefix(err.Error(), "json: "))
}

// Optional is a field that may be absent, null, or a value; merge patches tell the three apart.
type Optional[T any] struct {
	Present bool
	Null    bool
	Value   T
}

// UnmarshalJSON implements json.Unmarshaler; it is called only for fields that are present.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	o.Present = true
	if string(data) == "null" {
		o.Null = true
		return nil
	}
	if err := json.Unmarshal(data, &o.Value); err != nil {
		return fmt.Errorf("field: %w", err)
	}
	return nil
}

// Merge puts the field into a value as a merge patch does: absent keeps it, null resets it.
func (o Optional[T]) Merge(into *T) {
	if o.Present {
		*into = o.Value
	}
}
