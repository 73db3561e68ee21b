package wire

import (
	"maps"
	"slices"

	"midas/internal/arm"
)

// fieldNames finds the fields of a JSON object by names that compare without case, because providers read them so.
type fieldNames[V any] struct {
	object  map[string]V
	spelled map[string]string // from the folded name; nil until a name has another spelling than a field
}

// find returns the spelling that a field has in the object, or the given one if the object does not have it. In
// the second case the caller adds the field. Each call takes constant time, so that merging two large objects
// takes no longer than decoding them.
func (f *fieldNames[V]) find(name string) string {
	if _, has := f.object[name]; has {
		return name
	}
	f.index()
	folded := arm.Fold(name)
	if spelled, has := f.spelled[folded]; has {
		return spelled
	}
	f.spelled[folded] = name
	return name
}

// remove deletes the field that has the name. A later call of find returns the spelling that the field had, so that
// a patch with two spellings of a name has the same result when it comes a second time.
func (f *fieldNames[V]) remove(name string) {
	f.index()
	delete(f.object, f.find(name))
}

func (f *fieldNames[V]) index() {
	if f.spelled != nil {
		return
	}
	f.spelled = make(map[string]string, len(f.object))
	for _, spelled := range slices.Backward(slices.Sorted(maps.Keys(f.object))) { // the first of two spellings wins
		f.spelled[arm.Fold(spelled)] = spelled
	}
}
