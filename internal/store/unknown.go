package store

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
)

// keepUnknown adds to a JSON object the fields of an earlier form of it that the type T of its table does not have: a
// newer Midas has written them into the record, and this one must not remove them. It does the same for objects inside,
// as far as T has structs there, also in maps and in lists (see mergeLists).
//
// A record that has no such fields, and whose lists of objects are the same, costs one comparison of the names.
func keepUnknown(t reflect.Type, before, now []byte) []byte {
	if !lacks(before, now) {
		return now
	}
	return merge(t, before, now)
}

// merge is keepUnknown for any value and its type.
func merge(t reflect.Type, before, now []byte) []byte {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch objects := isObject(before) && isObject(now); {
	case encodesItself(t):
		return now
	case objects && t.Kind() == reflect.Struct:
		return mergeStructs(t, before, now)
	case objects && t.Kind() == reflect.Map:
		return mergeMaps(t.Elem(), before, now)
	case isList(before) && isList(now) && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		return mergeLists(t.Elem(), before, now)
	}
	return now
}

// lacks reports whether an object, or one inside it, has a field that another one does not have, or a list of objects
// that is not the same. Objects that the same
// program has written have the same order, so the search goes on where the last field was found.
func lacks(before, now []byte) bool {
	from := now
	for field, rest := nextField(before); field.name != nil; field, rest = nextField(rest) {
		same, after := find(from, field.name)
		if same.name == nil {
			if same, after = find(now, field.name); same.name == nil {
				return true
			}
		}
		from = after
		if isObject(field.value) && isObject(same.value) && lacks(field.value, same.value) {
			return true
		}
		if isList(field.value) && bytes.IndexByte(field.value, '{') >= 0 && !bytes.Equal(field.value, same.value) {
			return true
		}
	}
	return false
}

// field is one field of a JSON object, with its name as it is written, without quotes.
type field struct{ name, value []byte }

// nextField returns the next field of an object, and what follows it. Its name is nil at the end.
func nextField(data []byte) (f field, rest []byte) {
	data = bytes.TrimLeft(data, " \t\r\n{,")
	if len(data) == 0 || data[0] != '"' {
		return field{}, nil
	}
	end := stringEnd(data)
	f.name = data[1 : end-1]
	data = bytes.TrimLeft(data[end:], " \t\r\n:")
	size := valueEnd(data)
	f.value = bytes.TrimRight(data[:size], " \t\r\n")
	return f, data[size:]
}

// find returns the field of a name, and what follows it.
func find(data, name []byte) (f field, rest []byte) {
	for f, rest = nextField(data); f.name != nil; f, rest = nextField(rest) {
		if bytes.Equal(f.name, name) {
			return f, rest
		}
	}
	return field{}, nil
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

func isList(value []byte) bool { return len(value) > 0 && value[0] == '[' }

// stringEnd returns the position after a string that begins at the start of data.
func stringEnd(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// valueEnd returns the position after a value that begins at the start of data.
func valueEnd(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i += stringEnd(data[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(data)
}

// object builds a JSON object.
type object struct{ out []byte }

func (o *object) add(name, value []byte) {
	separator := byte(',')
	if len(o.out) == 0 {
		separator = '{'
	}
	o.out = append(o.out, separator, '"')
	o.out = append(append(append(o.out, name...), '"', ':'), value...)
}

func (o *object) end() []byte {
	if len(o.out) == 0 {
		return []byte("{}")
	}
	return append(o.out, '}')
}

// mergeStructs is merge for the objects of a struct.
func mergeStructs(t reflect.Type, before, now []byte) []byte {
	known := map[string]reflect.Type{}
	if !addFields(t, known) {
		return now
	}
	var out object
	for f, rest := nextField(now); f.name != nil; f, rest = nextField(rest) {
		if old, _ := find(before, f.name); old.name != nil && known[string(f.name)] != nil {
			f.value = merge(known[string(f.name)], old.value, f.value)
		}
		out.add(f.name, f.value)
	}
	for f, rest := nextField(before); f.name != nil; f, rest = nextField(rest) {
		if again, _ := find(now, f.name); again.name != nil {
			continue
		}
		inside, ours := known[string(f.name)]
		if ours && (inside.Kind() != reflect.Struct || !isObject(f.value)) {
			continue // it was removed
		}
		if ours { // a struct without a value is not written; what it does not have is no part of that value
			if f.value = merge(inside, f.value, []byte("{}")); string(f.value) == "{}" {
				continue
			}
		}
		out.add(f.name, f.value)
	}
	return out.end()
}

// addFields adds the names and types of the fields of a struct, as encoding/json has them. It returns false for a type
// that is no struct, or that encodes itself.
func addFields(t reflect.Type, to map[string]reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || encodesItself(t) {
		return false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("json") == "-":
		case f.Anonymous && name == "" && addFields(f.Type, to):
		case f.IsExported() && name == "":
			to[f.Name] = f.Type
		case f.IsExported():
			to[name] = f.Type
		}
	}
	return true
}

func encodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, own := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if p.Implements(own) {
			return true
		}
	}
	return false
}
