package condition_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"midas/internal/rbac/condition"
)

// FuzzCondition checks of any text that Parse returns a condition or a fault with a place, and that the canonical form of a
// condition is read as the same condition.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		constrained(backupRoles), isTrue, "NOT " + isUnknown, guidEquals + "{" + owner + "}",
		"@Resource[tags:Project<$key_case_sensitive$>] StringLikeIgnoreCase 'a*\\*?\\'' OR Exists @Environment[isPrivateLink]",
		"!(ActionMatches{'a/read'} && NOT SubOperationMatches{'Blob.List'}) || @Environment[UtcNow] DateTimeLessThan '2022-06-01T00:00:00.0Z'",
		"{'red', 'blue'} ForAllOfAnyValues:StringNotEquals {'orange'}", "@Resource[a] BoolEquals 'TRUE'", "((((", "@Resource[", "'\\'", "@Principal[a:b] ForAnyOfAllValues:NumericLessThan {-1,2}",
	} {
		f.Add(text, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := condition.Parse(text)
		if err != nil {
			fault := err.(*condition.SyntaxError)
			if c != nil || fault.Offset < 0 || fault.Offset > len(text) || fault.Line < 1 || fault.Column < 1 || fault.Reason == "" {
				t.Fatalf("%q: %v, %+v", text, c, fault)
			}
			return
		}
		q := condition.Query{Action: "a/read", SubOperation: "Blob.List", Now: time.Unix(1, 0)}
		q.Attributes.Set(condition.Resource, "a", condition.Text(value))
		checkCanonical(t, c, q)
		if result, terms := c.Trace(q); len(terms) == 0 || result != c.Evaluate(q) {
			t.Fatalf("%q: trace %v, %v", text, result, terms)
		}
	})
}

// checkCanonical checks that the canonical form of a condition is read as the same condition.
func checkCanonical(t interface{ Fatalf(string, ...any) }, c *condition.Condition, q condition.Query) {
	canonical := c.String()
	if len(canonical) > condition.MaxLength {
		return // spaces may make it longer than the text was
	}
	again, err := condition.Parse(canonical)
	if err != nil || again.String() != canonical {
		t.Fatalf("%q: %v, %v", canonical, again, err)
	}
	was, is := c.Evaluate(q), again.Evaluate(q)
	if was.Outcome != is.Outcome || was.Reason() != is.Reason() {
		t.Fatalf("%q: %v %q and %v %q", canonical, was.Outcome, was.Reason(), is.Outcome, is.Reason())
	}
}

// expressions generates random conditions.
func expressions(depth int) *rapid.Generator[string] {
	term := rapid.SampledFrom([]string{
		isTrue, isFalse, isUnknown, "Exists @Resource[a]", "ActionMatches{'a/*'}", "SubOperationMatches{'x'}",
		"@Resource[a] StringLike 'v*'", "@Resource[a] ForAnyOfAnyValues:StringNotEquals {'v', 'value'}", "@Resource[a] NumericLessThan 3",
	})
	if depth == 0 {
		return term
	}
	smaller := expressions(depth - 1)
	joined := rapid.Custom(func(t *rapid.T) string {
		operands := rapid.SliceOfN(smaller, 1, 4).Draw(t, "operands")
		joint := rapid.SampledFrom([]string{" AND ", "&&", " or\n", "||"}).Draw(t, "joint")
		text := rapid.SampledFrom([]string{"", "NOT ", "!", "! not\t"}).Draw(t, "not") + "(("
		for i, operand := range operands {
			if i > 0 {
				text += joint
			}
			text += "(" + operand + ")"
		}
		return text + ") )"
	})
	return rapid.OneOf(term, joined)
}

func TestCanonicalFormsAreReadAsTheSameCondition(t *testing.T) {
	conditions := expressions(4)
	values := rapid.SampledFrom([]condition.Value{condition.Text("value"), condition.Text("x"), condition.Number(2), condition.Bool(true)})
	rapid.Check(t, func(t *rapid.T) {
		text := conditions.Draw(t, "condition")
		c, err := condition.Parse(text)
		if err != nil {
			if len(text) > 4000 { // it has too many terms
				return
			}
			t.Fatalf("%s: %v", text, err)
		}
		q := condition.Query{Action: "a/read"}
		q.Attributes.Set(condition.Resource, "a", values.Draw(t, "value"))
		checkCanonical(t, c, q)
	})
}
