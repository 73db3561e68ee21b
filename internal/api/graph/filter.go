package graph

import (
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
)

// filter is a parsed $filter. It knows the grammar; fits then checks its names against a schema.
type filter struct {
	root  node
	terms []*term
}

// node is a condition.
type node interface {
	holds(value func(name string) any) bool
}

type (
	allOf   []node
	anyOf   []node
	negated struct{ node }
)

func (n allOf) holds(value func(string) any) bool {
	return !slices.ContainsFunc(n, func(c node) bool { return !c.holds(value) })
}

func (n anyOf) holds(value func(string) any) bool {
	return slices.ContainsFunc(n, func(c node) bool { return c.holds(value) })
}

func (n negated) holds(value func(string) any) bool { return !n.node.holds(value) }

// term is a comparison of one property with literals.
type term struct {
	name string
	op   string // eq, ne, gt, ge, lt, le, in, startswith, endswith
	any  bool   // the property is a list, and one of its texts must satisfy the comparison
	args []literal
}

// literal is a value in a filter.
type literal struct {
	text   string
	quoted bool
}

func (l literal) null() bool { return !l.quoted && l.text == "null" }

func (t *term) holds(value func(string) any) bool {
	switch v := value(t.name).(type) {
	case []string:
		return t.any && slices.ContainsFunc(v, func(s string) bool { return t.compare(s) })
	case bool:
		word := "false"
		if v {
			word = "true"
		}
		return (t.args[0].text == word) == (t.op == "eq")
	case string:
		return t.compare(v)
	}
	// null: it equals null and differs from all else
	return t.op == "eq" && t.args[0].null() || t.op == "ne" && !t.args[0].null()
}

func (t *term) compare(v string) bool {
	arg := t.args[0]
	if arg.null() {
		return t.op == "ne"
	}
	switch t.op {
	case "eq":
		return arm.SameName(v, arg.text)
	case "ne":
		return !arm.SameName(v, arg.text)
	case "in":
		return slices.ContainsFunc(t.args, func(a literal) bool { return arm.SameName(v, a.text) })
	case "startswith":
		return strings.HasPrefix(arm.Fold(v), arm.Fold(arg.text))
	case "endswith":
		return strings.HasSuffix(arm.Fold(v), arm.Fold(arg.text))
	}
	order := strings.Compare(arm.Fold(v), arm.Fold(arg.text))
	if a, err := time.Parse(time.RFC3339, v); err == nil {
		if b, err := time.Parse(time.RFC3339, arg.text); err == nil {
			order = a.Compare(b)
		}
	}
	switch t.op {
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

// fits checks that the properties exist and can be compared so.
func (f *filter) fits(typ string, uses func(string) (use, bool)) error {
	for _, t := range f.terms {
		u, known := uses(t.name)
		if !known || !t.allowed(u) {
			return errUnsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", clip(t.name), typ)
		}
	}
	return nil
}

func (t *term) allowed(u use) bool {
	switch u {
	case text:
		return !t.any && !slices.ContainsFunc(t.args, func(a literal) bool { return !a.quoted && !a.null() && !arm.IsGUID(a.text) })
	case boolean:
		return !t.any && (t.op == "eq" || t.op == "ne") && !t.args[0].quoted && (t.args[0].text == "true" || t.args[0].text == "false")
	case dateTime:
		_, err := time.Parse(time.RFC3339, t.args[0].text)
		return !t.any && (err == nil || t.args[0].null()) && t.op != "startswith" && t.op != "endswith" && t.op != "in"
	case collection:
		return t.any && t.args[0].quoted
	}
	return false
}

// equal gives the text that a property must have for the filter to hold, if it says so.
func (f *filter) equal(name string) (string, bool) {
	if f == nil {
		return "", false
	}
	conditions := []node{f.root}
	if all, ok := f.root.(allOf); ok {
		conditions = all
	}
	for _, c := range conditions {
		if t, ok := c.(*term); ok && t.op == "eq" && arm.SameName(t.name, name) && !t.args[0].null() {
			return t.args[0].text, true
		}
	}
	return "", false
}
