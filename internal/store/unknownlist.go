package store

import (
	"bytes"
	"reflect"
)

// mergeMaps is merge for the objects of a map: what is under the same key is the same element.
func mergeMaps(elem reflect.Type, before, now []byte) []byte {
	var out object
	for f, rest := nextField(now); f.name != nil; f, rest = nextField(rest) {
		if old, _ := find(before, f.name); old.name != nil {
			f.value = merge(elem, old.value, f.value)
		}
		out.add(f.name, f.value)
	}
	return out.end()
}

// identities are the fields that tell the elements of a list apart, the first that an element has: ids and names of
// objects, key ids of credentials, numbers of tokens, hashes of addresses.
func identities() []string { return []string{"id", "keyId", "name", "number", "hash"} }

// mergeLists is merge for two lists. Elements with the same identity are the same element, and so are elements without
// one whose known fields are equal: a changed element that has no identity keeps nothing. Each element of the earlier
// list has at most one successor, so that no copy of an element gets what was said of another one.
func mergeLists(elem reflect.Type, before, now []byte) []byte {
	known := map[string]reflect.Type{}
	for elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if !addFields(elem, known) {
		return now
	}
	earlier := elements(before)
	out := []byte{'['}
	for i, value := range elements(now) {
		if i > 0 {
			out = append(out, ',')
		}
		for at, old := range earlier {
			if isObject(value) && isObject(old) && sameElement(known, old, value) {
				value, earlier[at] = merge(elem, old, value), nil
				break
			}
		}
		out = append(out, value...)
	}
	return append(out, ']')
}

// sameElement reports whether an object of a list is the successor of an earlier one.
func sameElement(known map[string]reflect.Type, before, now []byte) bool {
	for _, name := range identities() {
		if _, has := known[name]; has {
			a, _ := find(before, []byte(name))
			b, _ := find(now, []byte(name))
			return a.name != nil && b.name != nil && bytes.Equal(a.value, b.value)
		}
	}
	return equalFields(known, before, now)
}

// equalFields reports whether the known fields of two objects are equal.
func equalFields(known map[string]reflect.Type, a, b []byte) bool {
	for name, t := range known {
		left, _ := find(a, []byte(name))
		right, _ := find(b, []byte(name))
		inside := map[string]reflect.Type{}
		equal := bytes.Equal(left.value, right.value)
		if !equal && t.Kind() == reflect.Struct && addFields(t, inside) { // one without a value may be left out
			equal = equalFields(inside, left.value, right.value)
		}
		if !equal {
			return false
		}
	}
	return true
}

// elements returns the values of a JSON list.
func elements(list []byte) (all [][]byte) {
	data := list[1:]
	for {
		data = bytes.TrimLeft(data, " \t\r\n,")
		if len(data) == 0 || data[0] == ']' {
			return all
		}
		size := valueEnd(data)
		all = append(all, bytes.TrimRight(data[:size], " \t\r\n"))
		data = data[size:]
	}
}
