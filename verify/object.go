package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"
)

// object is a JSON object whose members have distinct names. A struct would take the last of two members with one
// name, and take a member whose name differs in case; another program could read another value.
type object map[string]json.RawMessage

// parseObject reads one JSON object with nothing behind it.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, fmt.Errorf("it is not a JSON object")
	}
	o := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("it is not a JSON object: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("it is not a JSON object: %w", err)
		}
		key, _ := name.(string) // the decoder takes nothing else for a name
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("it has two members %s", quote(key))
		}
		o[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("it has more than one JSON object")
	}
	return o, nil
}

// has reports whether there is a member, whatever its value is.
func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// read decodes a member and reports whether it is there. The value null is of no type.
func (o object) read(name string, into any) (bool, error) {
	raw, ok := o[name]
	if !ok {
		return false, nil
	}
	if string(raw) == "null" || json.Unmarshal(raw, into) != nil {
		return false, fmt.Errorf("%s has a value of the wrong type", quote(name))
	}
	return true, nil
}

// reader reads the members of an object and keeps the first error.
type reader struct {
	object
	err error
}

func (r *reader) get(name string, into any) bool {
	ok, err := r.read(name, into)
	if r.err == nil {
		r.err = err
	}
	return ok
}

// text returns a string, or "" if there is none.
func (r *reader) text(name string) (s string) {
	r.get(name, &s)
	return s
}

// texts returns an array of strings.
func (r *reader) texts(name string) (s []string) {
	r.get(name, &s)
	return s
}

// latest is the last NumericDate that is read: the end of the year 9999.
const latest = 253402300799

// time returns a NumericDate (RFC 7519, 2), which may have a fraction; it is rounded down to a second.
func (r *reader) time(name string) (t time.Time, ok bool) {
	var seconds float64
	if !r.get(name, &seconds) {
		return time.Time{}, false
	}
	if seconds < 0 || seconds > latest {
		r.fail("%s is not a time", quote(name))
		return time.Time{}, false
	}
	return time.Unix(int64(math.Floor(seconds)), 0).UTC(), true
}

// fail keeps an error unless there is one already.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}
