package condition_test

import (
	"fmt"
	"strings"
	"testing"

	"midas/internal/rbac/condition"
)

func TestTraceShowsEachTermWithItsValues(t *testing.T) {
	c := parse(t, "!(ActionMatches{'a/write'}) OR (@Request[r] ForAnyOfAnyValues:StringEquals {'x'} AND NOT Exists @Principal[p] AND @Principal[p] NumericEquals 1)")
	q := condition.Query{Action: "a/write"}
	q.Attributes.Set(condition.Request, "R", condition.Text("x"), condition.Text("y"))
	result, terms := c.Trace(q)
	var b strings.Builder
	for _, term := range terms {
		fmt.Fprintf(&b, "%s: %v, %s %v\n", term.Text, term.Outcome, term.Reason, term.Attributes)
	}
	const want = `ActionMatches{'a/write'}: true,  []
@Request[r] ForAnyOfAnyValues:StringEquals {'x'}: true,  [{@Request[r] [x y]}]
Exists @Principal[p]: false,  [{@Principal[p] []}]
@Principal[p] NumericEquals 1: cannot be evaluated, the attribute @Principal[p] is absent [{@Principal[p] []}]
`
	if b.String() != want || result.Outcome != condition.CannotEvaluate || result.Reason() != "the attribute @Principal[p] is absent" {
		t.Errorf("%v %s\n%s", result.Outcome, result.Reason(), b.String())
	}
}

func TestComparisonsSayWhatTheyExclude(t *testing.T) {
	c := parse(t, "NOT (@Request[a] GuidEquals {"+owner+"} OR NOT (@Request[a] StringNotEquals 'x' AND Exists @Request[b]) OR ActionMatches{'x'}) AND @Resource[c] ForAllOfAllValues:GuidNotEquals {"+owner+"}")
	var got []string
	for cmp := range c.Comparisons() {
		source, name, _ := cmp.Left.Attribute()
		got = append(got, fmt.Sprintf("%v %s %v:%s %v excludes=%t", source, name, cmp.Quantifier, cmp.Operator, cmp.Right.Values(), cmp.Excludes))
		if !cmp.Left.Is(strings.ToUpper(name)) || cmp.Right.Is(name) {
			t.Errorf("%s is not the attribute", name)
		}
	}
	want := []string{
		"Request a :GuidEquals [" + owner + "] excludes=true",
		"Request a :StringNotEquals [x] excludes=true",
		"Resource c ForAllOfAllValues:GuidNotEquals [" + owner + "] excludes=true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for range c.Comparisons() {
		break // an iterator must allow it
	}
}

// A decision must not allocate for conditions that test the action only, as most of them are for most actions.
func TestEvaluateDoesNotAllocate(t *testing.T) {
	c := parse(t, constrained(backupRoles))
	q := condition.Query{Action: "microsoft.authorization/roleassignments/write"}
	q.Attributes.Set(condition.Request, roleDefinitionID, condition.GUID(backupReader))
	if n := testing.AllocsPerRun(100, func() { c.Evaluate(q) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTraceOfAnUndecidedExists explains a condition whose attribute is not known yet.
func TestTraceOfAnUndecidedExists(t *testing.T) {
	c, err := condition.Parse("Exists @Request[a] AND @Request[a] StringEquals 'v'")
	if err != nil {
		t.Fatal(err)
	}
	result, terms := c.Trace(condition.Query{Undecided: true})
	if want := "the attribute @Request[a] is absent"; result.Reason() != want || len(terms) != 2 || terms[0].Reason != want {
		t.Errorf("%q, %+v", result.Reason(), terms)
	}
}
