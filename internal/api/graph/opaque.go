package graph

import (
	"bytes"
	"encoding/json"
)

// maxOpaque is the maximum size of one opaque property, in bytes.
const maxOpaque = 16 << 10

// opaque returns the map of an object's opaque properties: clients set them and read them back, and the
// server does not interpret them.
type opaque[T any] func(*T) *map[string]json.RawMessage

// property is an opaque property with its initial value. Responses contain the initial value until a client
// sets another value, and again after a client sets null. If the initial value is an array, only arrays are
// accepted.
func (extra opaque[T]) property(name, initial string) field[T] {
	return field[T]{
		name: name,
		get: func(t T) any {
			if raw, set := (*extra(&t))[name]; set {
				return raw
			}
			return json.RawMessage(initial)
		},
		set: func(t *T, raw json.RawMessage) error { return extra.store(t, name, initial, raw) },
	}
}

// texts is an opaque property that is a list of texts, initially empty, and that any() can filter by.
func (extra opaque[T]) texts(name string) field[T] {
	f := extra.property(name, "[]")
	stored, store := f.get, f.set
	f.use = collection
	f.get = func(t T) any {
		raw, _ := stored(t).(json.RawMessage)
		var texts []string
		if json.Unmarshal(raw, &texts) != nil {
			return raw // an earlier version has stored it without a check
		}
		return list(texts)
	}
	f.set = func(t *T, raw json.RawMessage) error {
		var texts []string
		if json.Unmarshal(raw, &texts) != nil {
			return errValue(name)
		}
		return store(t, raw)
	}
	return f
}

// properties are opaque properties whose initial value is null.
func (extra opaque[T]) properties(names ...string) []field[T] {
	var fields []field[T]
	for _, name := range names {
		fields = append(fields, extra.property(name, "null"))
	}
	return fields
}

// store checks the size and the kind of a value and stores it, or removes the property if the value is the
// initial one or null.
func (extra opaque[T]) store(t *T, name, initial string, raw json.RawMessage) error {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil || compact.Len() > maxOpaque || initial[0] == '[' && raw[0] != '[' && !isNull(raw) {
		return errValue(name)
	}
	all := extra(t)
	stored := map[string]json.RawMessage{} // a new map, because other goroutines may read the old one
	for n, v := range *all {
		stored[n] = v
	}
	if delete(stored, name); compact.String() != initial && !isNull(raw) {
		stored[name] = compact.Bytes()
	}
	*all = stored
	return nil
}

// part is a property of a nested object that the server interprets.
type part[T any] struct {
	name string
	get  func(T) any
	set  func(*T, json.RawMessage) error
}

// nested is a property whose value is an object. The server interprets the given parts; initial lists the
// opaque parts with their initial values. A client changes only the parts that its request names.
func (extra opaque[T]) nested(name string, initial object, parts ...part[T]) field[T] {
	current := func(t T) object {
		stored := map[string]json.RawMessage{}
		if raw, set := (*extra(&t))[name]; set {
			_ = json.Unmarshal(raw, &stored) // store was given an object
		}
		var o object
		for _, p := range initial {
			if raw, set := stored[p.name]; set {
				p.value = raw
			}
			o = append(o, p)
		}
		for _, p := range parts {
			o = append(o, property{p.name, p.get(t)})
		}
		return o
	}
	return field[T]{name: name, get: func(t T) any { return current(t) }, set: func(t *T, raw json.RawMessage) error {
		var given map[string]json.RawMessage
		if json.Unmarshal(raw, &given) != nil {
			return errValue(name)
		}
		for _, p := range parts {
			if v, set := given[p.name]; set {
				if err := p.set(t, v); err != nil {
					return err
				}
				delete(given, p.name)
			}
		}
		var stored object
		for _, p := range current(*t)[:len(initial)] {
			if v, set := given[p.name]; set {
				p.value = v
				delete(given, p.name)
			}
			stored = append(stored, p)
		}
		for unknown := range given {
			if !isAnnotation(unknown) {
				return errBadRequest("Invalid property '%s'.", clip(unknown))
			}
		}
		if len(stored) == 0 {
			return nil
		}
		data, err := json.Marshal(stored)
		if err != nil {
			return err
		}
		return extra.store(t, name, "{}", data)
	}}
}
