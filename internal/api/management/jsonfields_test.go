package management_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fieldsOf lists the fields of a JSON value at all depths, as paths; the elements of a list are
// taken together.
func fieldsOf(value any) []string {
	found := map[string]bool{}
	collectFields("", value, found)
	return slices.Sorted(maps.Keys(found))
}

func collectFields(at string, value any, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			into[at+"/"+name] = true
			collectFields(at+"/"+name, field, into)
		}
	case []any:
		for _, element := range value {
			collectFields(at+"/*", element, into)
		}
	}
}

// without leaves out the fields at the given paths, and all that is in them.
func without(fields []string, paths ...string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		return slices.ContainsFunc(paths, func(path string) bool { return field == path || strings.HasPrefix(field, path+"/") })
	})
}

// missing gives the elements of a that are not in b.
func missing(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func parseJSON(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// translator knows what stands here for what was recorded elsewhere. GUIDs that a server has made
// up are learned when they are first met; from then on they must be the same.
type translator struct {
	texts map[string]string
}

func (tr *translator) text(s string) string {
	pairs := make([]string, 0, 2*len(tr.texts))
	for _, from := range slices.SortedFunc(maps.Keys(tr.texts), func(a, b string) int { return len(b) - len(a) }) {
		pairs = append(pairs, from, tr.texts[from])
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// differences compares a value with a recorded one, and says where they differ. The texts at the
// given paths are only for people to read and may be others.
func (tr *translator) differences(at string, want, got any, display ...string) []string {
	switch want := want.(type) {
	case map[string]any:
		given, _ := got.(map[string]any)
		if names := slices.Sorted(maps.Keys(want)); !slices.Equal(names, slices.Sorted(maps.Keys(given))) {
			return []string{at + " has the fields " + strings.Join(slices.Sorted(maps.Keys(given)), " ") + ", not " + strings.Join(names, " ")}
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			all = append(all, tr.differences(at+"/"+name, want[name], given[name], display...)...)
		}
		return all
	case []any:
		given, isList := got.([]any)
		if !isList || len(given) != len(want) {
			return []string{at + " has " + strconv.Itoa(len(given)) + " elements, not " + strconv.Itoa(len(want))}
		}
		want, given = byName(want), byName(given)
		var all []string
		for i := range want {
			all = append(all, tr.differences(at+"/*", want[i], given[i], display...)...)
		}
		return all
	case string:
		if given, isText := got.(string); isText && (tr.sameText(want, given) || slices.Contains(display, at)) {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return []string{at + " is " + quoted(got) + ", not " + quoted(want)}
}

// byName orders objects by their names, if they have names: Azure's order is no promise.
func byName(list []any) []any {
	nameOf := func(element any) string {
		fields, _ := element.(map[string]any)
		name, _ := fields["name"].(string)
		return name
	}
	return slices.SortedStableFunc(slices.Values(list), func(a, b any) int { return strings.Compare(nameOf(a), nameOf(b)) })
}

func (tr *translator) sameText(want, got string) bool {
	if tr.text(want) == got || isTime(want) && isTime(got) {
		return true
	}
	if guid.MatchString(want) && guid.MatchString(got) && tr.texts[want] == "" {
		tr.texts[want] = got
		return true
	}
	return false
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

func quoted(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}
