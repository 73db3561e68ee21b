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

// Decode decodes a request's body, which must be one JSON object in UTF-8. It ignores unknown fields, as ARM's
// resource providers do. Other faults are *arm.Errors that name the field and its position.
func Decode(body []byte, into any) error {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return arm.ErrInvalidContent("The request body is empty")
	}
	if trimmed[0] != '{' {
		return arm.ErrInvalidContent("The request body is not a JSON object")
	}
	if !utf8.Valid(body) { // parts of the body are stored and returned as given, and JSON is UTF-8
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

// Optional is a field that is absent, null, or has a value. A merge patch needs to know which.
type Optional[T any] struct {
	Present bool
	Null    bool
	Value   T
}

// UnmarshalJSON implements json.Unmarshaler. Package json calls it only for fields that are present.
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

// Merge changes a value as a merge patch does: an absent field keeps the value, null sets it to zero.
func (o Optional[T]) Merge(into *T) {
	if o.Present {
		*into = o.Value
	}
}
