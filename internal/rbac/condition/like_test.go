package condition_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/rbac/condition"
)

// likeReference implements StringLike with a regular expression. It is slow and simple.
func likeReference(pattern, s string) bool {
	expr := ""
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern) && strings.IndexByte(`*?\'`, pattern[i+1]) >= 0:
			i++
			expr += regexp.QuoteMeta(pattern[i : i+1])
		case c == '*':
			expr += ".*"
		case c == '?':
			expr += "."
		default:
			expr += regexp.QuoteMeta(pattern[i : i+1])
		}
	}
	return regexp.MustCompile(`(?s)\A` + expr + `\z`).MatchString(s)
}

func TestLikeMatchesLikeTheReference(t *testing.T) {
	patterns := rapid.StringOfN(rapid.SampledFrom([]rune(`aab*?*\`)), 0, 14, -1)
	texts := rapid.StringOfN(rapid.SampledFrom([]rune(`aab*?\`)), 0, 14, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := patterns.Draw(t, "pattern"), texts.Draw(t, "text")
		c, err := condition.Parse("@Resource[a] StringLike '" + pattern + "'")
		if err != nil {
			return // the last backslash escapes the quotation mark
		}
		var q condition.Query
		q.Attributes.Set(condition.Resource, "a", condition.Text(text))
		got := c.Evaluate(q).Outcome == condition.True
		if want := likeReference(pattern, text); got != want {
			t.Fatalf("%q like %q: %t, want %t", text, pattern, got, want)
		}
	})
}

// The time of a search grows with the length of the text and of the pattern, not with their product or worse. Patterns that
// make backtracking matchers slow end after a number of steps that has a limit.
func TestLikeIsLinear(t *testing.T) {
	const n = 4000
	for _, pattern := range []string{
		strings.Repeat("a*", n) + "b", strings.Repeat("*", n) + "b", strings.Repeat("*a", n) + "b",
		"*" + strings.Repeat("a", 2*n-100) + "b*", "*" + strings.Repeat("a*b", n/2) + "c",
	} {
		var q condition.Query
		q.Attributes.Set(condition.Resource, "a", condition.Text(strings.Repeat("a", 2*n)))
		c := parse(t, "@Resource[a] StringLike '"+pattern+"'")
		if got := c.Evaluate(q).Outcome; got != condition.False {
			t.Errorf("%.20s is %v", pattern, got)
		}
		if steps := condition.Steps(c, q); steps > 2*n {
			t.Errorf("%.20s takes %d steps", pattern, steps)
		}
	}
}

func TestWorkOfAnEvaluationIsBounded(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	many := make([]condition.Value, 1<<12)
	for i := range many {
		many[i] = condition.Text(long[:64])
	}
	set := "'a'" + strings.Repeat(",'a'", 1500)
	for text, values := range map[string][]condition.Value{
		"@Resource[a] StringNotLike '*?a" + strings.Repeat("?a", 3000) + "b*'":  {condition.Text(long)},
		"@Resource[a] ForAllOfAllValues:StringNotEquals {" + set + "}":          many,
		"@Resource[a] ForAllOfAllValues:StringNotLike {" + set + "}":            many,
		"@Resource[a] ForAllOfAllValues:StringNotEqualsIgnoreCase @Resource[a]": many,
		"@Resource[a] ForAllOfAllValues:StringNotLike @Resource[a]":             many,
	} {
		var q condition.Query
		q.Attributes.Set(condition.Resource, "a", values...)
		c := parse(t, text)
		r := c.Evaluate(q)
		if r.Outcome != condition.CannotEvaluate || !strings.Contains(r.Reason(), "steps") {
			t.Errorf("%.60s is %v: %s", text, r.Outcome, r.Reason())
		}
		if steps := condition.Steps(c, q); steps > 2*condition.MaxSteps {
			t.Errorf("%.60s takes %d steps", text, steps)
		}
	}
}
