package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/resource"
)

// Difference is a property that the server has otherwise than it is declared.
type Difference struct {
	Path string `json:"path"`
	From any    `json:"from"` // what the server has; null for nothing
	To   any    `json:"to"`
}

// comparison collects the differences of one object.
type comparison struct {
	differences []Difference
}

// compare returns how what is declared differs from what the server has. What is not declared is not compared.
func compare(want, have map[string]any) []Difference {
	c := &comparison{}
	c.members("", want, have)
	return c.differences
}

func (c *comparison) add(path string, from, to any) {
	c.differences = append(c.differences, Difference{path, from, to})
}

func (c *comparison) members(path string, want, have map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(name, "\x00") { // not a property of the object
			continue
		}
		value, has := lookUp(have, name)
		if folded := arm.Fold(name); !has && (resource.IsSecretName(folded) || folded == "userdata") {
			continue // servers take secrets and do not return them
		}
		c.value(join(path, name), want[name], value)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// lookUp finds a member whose name differs at most in its case.
func lookUp(have map[string]any, name string) (any, bool) {
	if v, ok := have[name]; ok {
		return v, true
	}
	for k, v := range have {
		if arm.SameName(k, name) {
			return v, true
		}
	}
	return nil, false
}

func (c *comparison) value(path string, want, have any) {
	w, isMap := want.(map[string]any)
	h, hasMap := have.(map[string]any)
	switch {
	case path == "tags" && (isMap || want == nil): // those of applications are a list
		c.exactly(path, w, h)
	case lastName(path) == "userAssignedIdentities":
		c.names(path, w, h)
	case isMap && hasMap:
		c.members(path, w, h)
	case isMap && len(w) == 0 && have == nil:
	case !same(path, want, have):
		c.add(path, have, want)
	}
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// exactly compares tags, which are replaced together.
func (c *comparison) exactly(path string, want, have map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, has := lookUp(have, name); !has || value != want[name] {
			c.add(join(path, name), value, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := lookUp(want, name); !wanted {
			c.add(join(path, name), have[name], nil)
		}
	}
}

// names compares the user-assigned identities of a resource, of which only the ids count.
func (c *comparison) names(path string, want, have map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, has := lookUp(have, name); !has {
			c.add(path, nil, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := lookUp(want, name); !wanted {
			c.add(path, name, nil)
		}
	}
}

// same reports whether two values that are not both objects are equal.
func same(path string, want, have any) bool {
	switch w := want.(type) {
	case nil:
		return have == nil
	case []any:
		h, is := have.([]any)
		return is && sameList(path, w, h) || len(w) == 0 && have == nil
	case string:
		h, is := have.(string)
		return is && sameText(path, w, h)
	case bool:
		return want == have || !w && have == nil // Microsoft Graph returns null for some that are false
	}
	w, h := fmt.Sprint(want), fmt.Sprint(have)
	if w == h {
		return true
	}
	x, errX := json.Number(w).Float64()
	y, errY := json.Number(h).Float64()
	return errX == nil && errY == nil && x == y
}

func sameText(path, want, have string) bool {
	switch path {
	case "location":
		return arm.Location(want) == arm.Location(have)
	case "identity.type":
		system, user, _ := identityTypes(want)
		s, u, err := identityTypes(have)
		return err == nil && system == s && user == u
	case "managedBy", "userPrincipalName", "properties.isolationScope":
		return arm.SameName(want, have)
	}
	return want == have
}

// unordered are the lists whose order means nothing.
func unordered(path string) bool {
	switch lastName(path) {
	case "actions", "notActions", "dataActions", "notDataActions", "assignableScopes", "identifierUris", "redirectUris", "providers", "tags":
		return true
	}
	return false
}

func sameList(path string, want, have []any) bool {
	if len(want) != len(have) {
		return false
	}
	if unordered(path) {
		want, have = sorted(want), sorted(have)
	}
	for i := range want {
		w, isMap := want[i].(map[string]any)
		h, hasMap := have[i].(map[string]any)
		if isMap && hasMap {
			c := &comparison{}
			if c.members(path, w, h); len(c.differences) > 0 {
				return false
			}
		} else if !same(path, want[i], have[i]) {
			return false
		}
	}
	return true
}

func sorted(list []any) []any {
	return slices.SortedFunc(slices.Values(list), func(a, b any) int {
		return strings.Compare(arm.Fold(fmt.Sprint(a)), arm.Fold(fmt.Sprint(b)))
	})
}

// overlay returns what the server has with what is declared in its place. Tags and identities are replaced together.
func overlay(have, want map[string]any) map[string]any {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range want {
		if strings.HasPrefix(name, "\x00") {
			continue
		}
		for k := range out {
			if k != name && arm.SameName(k, name) {
				name = k
			}
		}
		w, isMap := value.(map[string]any)
		h, hasMap := out[name].(map[string]any)
		if isMap && hasMap && name != "tags" && name != "identity" {
			value = overlay(h, w)
		}
		out[name] = value
	}
	return out
}
