package graph

import (
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/odata"
)

// filter is a parsed $filter, whose names fits checks against a schema.
type filter struct {
	expr  odata.Expr
	terms []odata.Term
}

// holds evaluates the filter for an object. value returns the object's properties.
func (f *filter) holds(value func(name string) any) bool {
	return f.expr.Holds(func(t odata.Term) bool { return holds(t, value(t.Name)) })
}

// holds evaluates one condition for the value of its property.
func holds(t odata.Term, value any) bool {
	switch v := value.(type) {
	case []string:
		return t.Any && slices.ContainsFunc(v, func(s string) bool { return compare(t, s) })
	case bool:
		word := "false"
		if v {
			word = "true"
		}
		return (t.Value == word) == (t.Op == "eq")
	case string:
		return compare(t, v)
	}
	// A property without a value equals null and differs from everything else.
	return t.Op == "eq" && withNull(t) || t.Op == "ne" && !withNull(t)
}

// withNull reports whether a condition compares with null.
func withNull(t odata.Term) bool { return !t.Quoted && t.Value == "null" }

func compare(t odata.Term, v string) bool {
	if withNull(t) {
		return t.Op == "ne"
	}
	switch t.Op {
	case "eq":
		return arm.SameName(v, t.Value)
	case "ne":
		return !arm.SameName(v, t.Value)
	case odata.In:
		return slices.ContainsFunc(t.In, func(l odata.Literal) bool { return arm.SameName(v, l.Value) })
	case "startswith":
		return strings.HasPrefix(arm.Fold(v), arm.Fold(t.Value))
	case "endswith":
		return strings.HasSuffix(arm.Fold(v), arm.Fold(t.Value))
	}
	order := strings.Compare(arm.Fold(v), arm.Fold(t.Value))
	if a, err := time.Parse(time.RFC3339, v); err == nil {
		if b, err := time.Parse(time.RFC3339, t.Value); err == nil {
			order = a.Compare(b)
		}
	}
	switch t.Op {
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

// fits checks that the properties exist and support the operators of their conditions.
func (f *filter) fits(typ string, uses func(string) (use, bool)) error {
	for _, t := range f.terms {
		u, known := uses(t.Name)
		if !known || !fitsUse(t, u) {
			return errUnsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", clip(t.Name), typ)
		}
	}
	return nil
}

// fitsUse reports whether a property of this use may have the condition.
func fitsUse(t odata.Term, u use) bool {
	switch u {
	case text:
		return !t.Any && isText(odata.Literal{Value: t.Value, Quoted: t.Quoted}) && !slices.ContainsFunc(t.In, func(l odata.Literal) bool { return !isText(l) })
	case boolean:
		return !t.Any && (t.Op == "eq" || t.Op == "ne") && !t.Quoted && (t.Value == "true" || t.Value == "false")
	case dateTime:
		_, err := time.Parse(time.RFC3339, t.Value)
		return !t.Any && (err == nil || withNull(t)) && t.Op != "startswith" && t.Op != "endswith" && t.Op != odata.In
	case collection:
		return t.Any && t.Quoted
	}
	return false
}

// isText reports whether a text property may be compared with a literal: a text, null, or a GUID, which
// clients also write without quotes.
func isText(l odata.Literal) bool { return l.Quoted || l.Value == "null" || arm.IsGUID(l.Value) }

// equal returns the text that a property must equal for the filter to hold, and whether the filter requires
// such a text.
func (f *filter) equal(name string) (string, bool) {
	if f == nil {
		return "", false
	}
	for _, t := range f.expr.Required() {
		if t.Op == "eq" && arm.SameName(t.Name, name) && !withNull(t) {
			return t.Value, true
		}
	}
	return "", false
}
