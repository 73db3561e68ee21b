package graph

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"midas/internal/arm"
)

// use is how a property can be used in $filter, $orderby and $search. The names are those of OData's types.
type use byte

const (
	notQueryable use = iota // not at all
	text                    // compared as text, without regard to case
	boolean                 // compared with true and false
	dateTime                // compared as a time
	collection              // a list of texts: any()
)

// field is one property of a kind of object.
type field[T any] struct {
	name   string
	use    use
	hidden bool // returned only if $select names it
	get    func(T) any
	set    func(*T, json.RawMessage) error // nil: clients cannot set it
}

// schema describes a kind of object.
type schema[T any] struct {
	typ    string // "user": the type microsoft.graph.user
	set    string // "users": the collection of these objects
	class  string // "User": the name in the Location of a new directory object; empty for other objects
	fields []field[T]
}

// shape is the part of a schema that collections and queries use. directoryObjectShape implements it for
// collections of several kinds.
type shape[T any] interface {
	names() (typ, set string)
	use(name string) (use, bool)
	value(t T, name string) any
	object(t T, selected []string) object
}

func (s *schema[T]) names() (typ, set string) { return s.typ, s.set }

func (s *schema[T]) field(name string) *field[T] {
	i := slices.IndexFunc(s.fields, func(f field[T]) bool { return arm.SameName(f.name, name) })
	if i < 0 {
		return nil
	}
	return &s.fields[i]
}

// use returns how a property can be used, and whether it exists.
func (s *schema[T]) use(name string) (use, bool) {
	f := s.field(name)
	if f == nil {
		return notQueryable, false
	}
	return f.use, true
}

func (s *schema[T]) value(t T, name string) any {
	if f := s.field(name); f != nil {
		return f.get(t)
	}
	return nil
}

// object is the JSON of the selected properties, or of the default ones if none is selected.
func (s *schema[T]) object(t T, selected []string) object {
	o := make(object, 0, len(s.fields))
	for _, f := range s.fields {
		chosen := !f.hidden
		if len(selected) > 0 {
			chosen = slices.ContainsFunc(selected, func(name string) bool { return name == "*" || arm.SameName(name, f.name) })
		}
		if chosen {
			o = append(o, property{f.name, f.get(t)})
		}
	}
	return o
}

// apply sets the properties that a body names. The object's own id is no change, and clients send it.
func (s *schema[T]) apply(t *T, body map[string]json.RawMessage) error {
	for name, raw := range body {
		f := s.field(name)
		switch {
		case name == idAnnotation || f != nil && f.name == "id" && isID(raw, f.get(*t)):
			continue
		case f == nil:
			return errBadRequest("Invalid property '%s'.", clip(name))
		case f.set == nil:
			return errBadRequest("Property '%s' is read-only and cannot be set.", f.name)
		}
		if err := f.set(t, raw); err != nil {
			return err
		}
	}
	return nil
}

// isID reports whether a value is an id.
func isID(raw json.RawMessage, id any) bool {
	var given *string
	want, _ := id.(string)
	return json.Unmarshal(raw, &given) == nil && given != nil && want != "" && arm.SameName(*given, want)
}

func errValue(name string) *Error {
	return errBadRequest("Invalid value specified for property '%s' of resource.", name)
}

// isNull reports whether a value is null, which clears a property.
func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// orNull encodes an empty text as null, as Graph does.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// list returns an empty list for nil, which JSON would encode as null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// constant is a property with the same value in all objects. Requests may only repeat that value.
func constant[T any](name string, value any) field[T] {
	return field[T]{name: name, get: func(T) any { return value }, set: func(_ *T, raw json.RawMessage) error {
		want, err := json.Marshal(value)
		if err != nil || isNull(raw) || string(raw) == string(want) || value == nil && (string(raw) == "[]" || string(raw) == "false") {
			return err
		}
		return errBadRequest("Property '%s' cannot have another value than %s here.", name, want)
	}}
}

// readOnly is a property that clients cannot set.
func readOnly[T any](name string, u use, get func(T) any) field[T] {
	return field[T]{name: name, use: u, get: get}
}

// writableText is a text property of at most `most` characters.
func writableText[T any](name string, most int, at func(*T) *string) field[T] {
	return field[T]{
		name: name, use: text,
		get: func(t T) any { return orNull(*at(&t)) },
		set: func(t *T, raw json.RawMessage) error { return setText(name, most, at(t), raw) },
	}
}

// requiredText is a writableText of a class of objects that cannot be cleared.
func requiredText[T any](class, name string, most int, at func(*T) *string) field[T] {
	f := writableText(name, most, at)
	f.set = func(t *T, raw json.RawMessage) error {
		if err := setText(name, most, at(t), raw); err != nil {
			return err
		}
		if *at(t) == "" {
			return errBadRequest("A value is required for property '%s' of resource '%s'.", name, class)
		}
		return nil
	}
	return f
}

func setText(name string, most int, at *string, raw json.RawMessage) error {
	var s *string
	if json.Unmarshal(raw, &s) != nil {
		return errValue(name)
	}
	if s == nil {
		*at = ""
		return nil
	}
	if len([]rune(*s)) > most || strings.ContainsFunc(*s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }) {
		return errValue(name)
	}
	*at = *s
	return nil
}

func writableBoolean[T any](name string, at func(*T) *bool) field[T] {
	return field[T]{
		name: name, use: boolean,
		get: func(t T) any { return *at(&t) },
		set: func(t *T, raw json.RawMessage) error {
			if json.Unmarshal(raw, at(t)) != nil {
				return errValue(name)
			}
			return nil
		},
	}
}

// hidden marks fields that are returned only if $select names them.
func hidden[T any](fields ...field[T]) []field[T] {
	for i := range fields {
		fields[i].hidden = true
	}
	return fields
}
