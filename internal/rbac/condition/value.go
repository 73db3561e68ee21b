package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"midas/internal/arm"
)

// Kind is the type of a value.
type Kind int

// The types of values.
const (
	KindText Kind = iota
	KindNumber
	KindBool
	KindTime
	KindGUID
)

var kindNames = [...]string{"string", "number", "Boolean", "time", "GUID"}

// String returns the name of the type, for messages.
func (k Kind) String() string { return kindNames[k] }

// Value is a value of an attribute or in a condition.
type Value struct {
	kind   Kind
	text   string // of a text; a GUID in its usual form, in lower case
	number int64  // of a number; 1 for true
	time   time.Time
}

// Text makes a value of a string. In comparisons of times and GUIDs it is read as a time or a GUID.
func Text(s string) Value { return Value{kind: KindText, text: s} }

// Number makes a value of an integer. The language has no other numbers.
func Number(n int64) Value { return Value{kind: KindNumber, number: n} }

// Bool makes a Boolean value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.number = 1
	}
	return v
}

// Time makes a value of a time.
func Time(t time.Time) Value { return Value{kind: KindTime, time: t} }

// GUID makes a value of a GUID in any form that arm.ParseGUID reads. A text that is no GUID becomes a string, which
// no comparison of GUIDs can read.
func GUID(s string) Value {
	if guid, ok := arm.ParseGUID(s); ok {
		return Value{kind: KindGUID, text: guid}
	}
	return Text(s)
}

// Kind returns the type of the value.
func (v Value) Kind() Kind { return v.kind }

// String returns the value as text: true, 7, 2026-01-31T12:00:00.0000000Z, a GUID, or the string itself.
func (v Value) String() string {
	switch v.kind {
	case KindNumber:
		return strconv.FormatInt(v.number, 10)
	case KindBool:
		return strconv.FormatBool(v.number == 1)
	case KindTime:
		return arm.Time(v.time)
	}
	return v.text
}

// as returns the value as one of another type. Only strings can be read as times and GUIDs.
func (v Value) as(kind Kind) (Value, bool) {
	if v.kind == kind {
		return v, true
	}
	if v.kind != KindText {
		return Value{}, false
	}
	switch kind {
	case KindTime:
		t, err := time.Parse(time.RFC3339Nano, v.text)
		return Time(t), err == nil
	case KindGUID:
		guid := GUID(v.text)
		return guid, guid.kind == KindGUID
	}
	return Value{}, false
}

// FromJSON returns the values of an attribute in a decoded JSON document: a string, an integer, a Boolean, or an array
// of them. null and an empty array are no value, so the attribute is absent. Anything else is an error.
func FromJSON(decoded any) ([]Value, error) {
	switch v := decoded.(type) {
	case nil:
		return nil, nil
	case []any:
		values := make([]Value, 0, len(v))
		for _, element := range v {
			value, err := scalar(element)
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return values, nil
	}
	value, err := scalar(decoded)
	if err != nil {
		return nil, err
	}
	return []Value{value}, nil
}

var errNotInteger = errors.New("a number must be an integer")

// scalar is FromJSON for one value.
func scalar(decoded any) (Value, error) {
	switch v := decoded.(type) {
	case string:
		return Text(v), nil
	case bool:
		return Bool(v), nil
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return Value{}, errNotInteger
		}
		return Number(int64(v)), nil
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return Value{}, errNotInteger
		}
		return Number(n), nil
	}
	return Value{}, fmt.Errorf("a value must be a string, an integer or a Boolean, not %T", decoded)
}
