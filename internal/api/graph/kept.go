package graph

import (
	"bytes"
	"encoding/json"
)

// maxKept is how many bytes of a property are kept that means nothing here.
const maxKept = 16 << 10

// keeper is where an object keeps the properties that clients set and that mean nothing here.
type keeper[T any] func(*T) *map[string]json.RawMessage

// one is a property that is kept as it was set. Until then, and again after null, it has a value by
// default, which also says of which kind its values are.
func (k keeper[T]) one(name, byDefault string) field[T] {
	return field[T]{
		name: name,
		get: func(t T) any {
			if raw, set := (*k(&t))[name]; set {
				return raw
			}
			return json.RawMessage(byDefault)
		},
		set: func(t *T, raw json.RawMessage) error { return k.keep(t, name, byDefault, raw) },
	}
}

// several are properties that are null until they are set.
func (k keeper[T]) several(names ...string) []field[T] {
	var fields []field[T]
	for _, name := range names {
		fields = append(fields, k.one(name, "null"))
	}
	return fields
}

func (k keeper[T]) keep(t *T, name, byDefault string, raw json.RawMessage) error {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil || compact.Len() > maxKept || byDefault[0] == '[' && raw[0] != '[' && !isNull(raw) {
		return errValue(name)
	}
	all := k(t)
	kept := map[string]json.RawMessage{} // a new map, because the old one belongs to who has read it
	for n, v := range *all {
		kept[n] = v
	}
	if delete(kept, name); compact.String() != byDefault && !isNull(raw) {
		kept[name] = compact.Bytes()
	}
	*all = kept
	return nil
}

// part is a property inside of a nested one that has a meaning here.
type part[T any] struct {
	name string
	get  func(T) any
	set  func(*T, json.RawMessage) error
}

// nested is a property that is an object: some of its parts have a meaning, the others are kept. A
// client sets the parts that it names. byDefault are the parts that are kept, with their values.
func (k keeper[T]) nested(name string, byDefault object, parts ...part[T]) field[T] {
	current := func(t T) object {
		kept := map[string]json.RawMessage{}
		if raw, set := (*k(&t))[name]; set {
			_ = json.Unmarshal(raw, &kept) // it was an object when it was kept
		}
		var o object
		for _, p := range byDefault {
			if raw, set := kept[p.name]; set {
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
		var kept object
		for _, p := range current(*t)[:len(byDefault)] {
			if v, set := given[p.name]; set {
				p.value = v
				delete(given, p.name)
			}
			kept = append(kept, p)
		}
		for unknown := range given {
			if !isAnnotation(unknown) {
				return errBadRequest("Invalid property '%s'.", clip(unknown))
			}
		}
		if len(kept) == 0 {
			return nil
		}
		data, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		return k.keep(t, name, "{}", data)
	}}
}
