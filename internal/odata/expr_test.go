package odata_test

import (
	"errors"
	"strings"
	"testing"

	"midas/internal/odata"
)

// associated is the grammar of the list of associated resources.
var associated = odata.Grammar{Or: true, Functions: []string{odata.Contains}}

// holds evaluates a filter over the texts a = "1", b = "22".
func holds(t *testing.T, filter string) bool {
	t.Helper()
	e, err := associated.Parse(filter, func(odata.Term) error { return nil })
	if err != nil {
		t.Errorf("%q: %v", filter, err)
	}
	return e.Holds(func(term odata.Term) bool {
		value := map[string]string{"a": "1", "b": "22"}[term.Name]
		if term.Op == odata.Contains {
			return strings.Contains(value, term.Value)
		}
		return value == term.Value
	})
}

func TestAndBindsBeforeOr(t *testing.T) {
	for filter, want := range map[string]bool{
		"":                                         true,
		"a eq '1'":                                 true,
		"a eq '2'":                                 false,
		"contains(b,'2') and a eq '1'":             true,
		"contains( b , '3' )":                      false,
		"a eq '2' or b eq '22'":                    true,
		"a eq '1' or a eq '2' and b eq 'x'":        true,
		"(a eq '1' or a eq '2') and b eq 'x'":      false,
		"a eq '2' and b eq 'x' or ((a eq '1'))":    true,
		"a eq '2' or a eq '3' or contains(a, '1')": true,
	} {
		if got := holds(t, filter); got != want {
			t.Errorf("%q is %v", filter, got)
		}
	}
}

func TestInvalidFiltersAreRejected(t *testing.T) {
	refused := errors.New("refused")
	for _, filter := range []string{
		"a", "a eq", "(a eq '1'", "a eq '1')", "or a eq '1'", "a eq '1' or", "contains(a)", "contains(a,)", "contains(,'x')",
		"not a eq '1'", strings.Repeat("(", 17) + "a eq '1'" + strings.Repeat(")", 17),
		"a eq '1'" + strings.Repeat(" or a eq '1'", odata.MaxTerms), strings.Repeat(" ", odata.MaxFilter+1), "c eq '1'",
	} {
		_, err := associated.Parse(filter, func(term odata.Term) error {
			if term.Name == "c" {
				return refused
			}
			return nil
		})
		var syntax *odata.SyntaxError
		if !errors.As(err, &syntax) && !errors.Is(err, refused) {
			t.Errorf("%q: %v", filter, err)
		}
	}
}

func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{"a eq '1' or contains(b, 'x') and (c eq 'd')", "((((", "contains(", "a eq 'x' or"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		e, err := associated.Parse(filter, func(odata.Term) error { return nil })
		if err == nil {
			e.Holds(func(odata.Term) bool { return false })
		}
	})
}
