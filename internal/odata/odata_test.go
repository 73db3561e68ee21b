package odata_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/odata"
)

func TestParse(t *testing.T) {
	for filter, want := range map[string][]odata.Term{
		"":                  nil,
		"   ":               nil,
		"atScope()":         {{Name: "atScope", Op: odata.Call}},
		"atScope( )":        {{Name: "atScope", Op: odata.Call}},
		"assignedTo('x')":   {{Name: "assignedTo", Op: odata.Call, Value: "x", Quoted: true}},
		"assignedTo( 'x' )": {{Name: "assignedTo", Op: odata.Call, Value: "x", Quoted: true}},
		"f(x)":              {{Name: "f", Op: odata.Call, Value: "x"}},
		" a eq 'b' ":        {{Name: "a", Op: "eq", Value: "b", Quoted: true}},
		"a eq 'it''s'":      {{Name: "a", Op: "eq", Value: "it's", Quoted: true}},
		"a eq ''":           {{Name: "a", Op: "eq", Quoted: true}},
		"a eq ''''":         {{Name: "a", Op: "eq", Value: "'", Quoted: true}},
		"a eq 'x and y'":    {{Name: "a", Op: "eq", Value: "x and y", Quoted: true}},
		"t ge 2018-01-01T00:00:00+00:00 and t le 2999-01-01": {
			{Name: "t", Op: "ge", Value: "2018-01-01T00:00:00+00:00"},
			{Name: "t", Op: "le", Value: "2999-01-01"},
		},
		"atScope() and assignedTo('名')": {
			{Name: "atScope", Op: odata.Call},
			{Name: "assignedTo", Op: odata.Call, Value: "名", Quoted: true},
		},
	} {
		got, err := odata.Parse(filter)
		if err != nil {
			t.Errorf("Parse(%q): %v", filter, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", filter, diff)
		}
	}
}

func TestSyntaxErrorsHaveOffsets(t *testing.T) {
	for filter, offset := range map[string]int{
		"a":                                    1,
		"a eq":                                 4,
		"a is 'x'":                             2,
		"a eq 'x":                              5,
		"a eq 'x' or b eq 'y'":                 9,
		"a eq 'x' and":                         12,
		"a eq 'x' and and":                     16,
		"(a eq 'x')":                           0,
		"f(":                                   2,
		"f('x'":                                5,
		"f('x', 'y')":                          5,
		"f('x'))":                              6,
		"a eq 'x' b eq 'y'":                    9,
		strings.Repeat("x", odata.MaxFilter+1): odata.MaxFilter,
		strings.Repeat("a eq 'x' and ", odata.MaxTerms) + "f()": 13*odata.MaxTerms - 1,
	} {
		_, err := odata.Parse(filter)
		syntax, ok := errors.AsType[*odata.SyntaxError](err)
		if !ok {
			t.Errorf("Parse(%.40q) = %v, want a syntax error", filter, err)
			continue
		}
		if syntax.Offset != offset {
			t.Errorf("Parse(%.40q) stops at %d, want %d: %v", filter, syntax.Offset, offset, err)
		}
	}
}

// FuzzParse checks that the terms of a filter can be written as a filter that parses to the same terms.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "atScope()", "a eq 'b''c' and d le 2020-01-01", "a eq 'b", "f(x) and g('y')", "and and and"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		terms, err := odata.Parse(filter)
		if err != nil {
			syntax, ok := errors.AsType[*odata.SyntaxError](err)
			if !ok || syntax.Offset < 0 || syntax.Offset > len(filter) {
				t.Fatalf("Parse(%q) fails with %v", filter, err)
			}
			return
		}
		again, err := odata.Parse(write(terms))
		if err != nil {
			t.Fatalf("Parse(%q) gives %v, which does not parse: %v", filter, terms, err)
		}
		if diff := cmp.Diff(terms, again); diff != "" {
			t.Fatalf("Parse(%q) changes when it is written again (-first +second):\n%s", filter, diff)
		}
	})
}

func write(terms []odata.Term) string {
	var all []string
	for _, term := range terms {
		value := term.Value
		if term.Quoted {
			value = "'" + strings.ReplaceAll(value, "'", "''") + "'"
		}
		if term.Op == odata.Call {
			all = append(all, term.Name+"("+value+")")
		} else {
			all = append(all, term.Name+" "+term.Op+" "+value)
		}
	}
	return strings.Join(all, " and ")
}
