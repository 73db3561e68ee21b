package expression_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"midas/internal/federation/expression"
)

// claims returns the lookup of a token with these claims: names and values by turns.
func claims(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func parse(t testing.TB, text string) expression.Expression {
	t.Helper()
	e, err := expression.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestValuesMatchByOperator(t *testing.T) {
	for _, r := range []struct {
		operator, value string
		yes, no         []string
	}{
		{"eq", "repo:a/b:ref:refs/heads/main", []string{"repo:a/b:ref:refs/heads/main"}, []string{"", "repo:a/b:ref:refs/heads/Main", "repo:a/b:ref:refs/heads/main ", "xrepo:a/b:ref:refs/heads/main"}},
		{"eq", "a*?", []string{"a*?"}, []string{"abc", "a*b", "aa?"}}, // no wildcards
		{"matches", "main", []string{"main"}, []string{"", "mai", "mainx", "xmain", "Main"}},
		{"matches", "*", []string{"", "a", "a b", "é\n*"}, nil},
		{"matches", "?", []string{"a", "é", "?", "*", "世"}, []string{"", "ab"}},
		{"matches", "????", []string{"main", "éééé"}, []string{"mai", "mains"}},
		{"matches", "?*", []string{"a", "ab"}, []string{""}},
		{"matches", "*?", []string{"a", "ab"}, []string{""}},
		{"matches", "**", []string{"", "a"}, nil},
		{"matches", "repo:contoso/*", []string{"repo:contoso/", "repo:contoso/a:ref:b/c"}, []string{"repo:contoso", "repo:Contoso/a", "repo:contoso-evil/a", " repo:contoso/a"}},
		{"matches", "*:ref:refs/heads/main", []string{"repo:a:ref:refs/heads/main", ":ref:refs/heads/main"}, []string{"repo:a:ref:refs/heads/main2", "ref:refs/heads/main"}},
		{"matches", "a*a", []string{"aa", "aba", "aaa"}, []string{"a", "ab", "ba"}}, // the ends do not overlap
		{"matches", "ab*bc", []string{"abbc", "abxbc"}, []string{"abc"}},
		{"matches", "a*b*c", []string{"abc", "a1b2c", "abbbc", "abcbc"}, []string{"acb", "ac", "abcd"}},
		{"matches", "*ab*ab*", []string{"abab", "xabyabz"}, []string{"ab", "aba"}},
		{"matches", "*a?c*", []string{"abc", "aac", "aabc", "a?c", "xxaacyy"}, []string{"ac", "abbc", ""}},
		{"matches", "*a?a?b*", []string{"aaaab", "axaxb", "aaxaxb", "aaaaaaab"}, []string{"aaab", "axbxb", "aaaaa"}},
		{"matches", "*é?è*z", []string{"xéaèz", "éèèz"}, []string{"éèz", "éaèy"}},
		{"matches", "repo:contoso/contoso-repo-*:ref:refs/heads/????", []string{"repo:contoso/contoso-repo-1:ref:refs/heads/main"}, []string{"repo:contoso/contoso-repo-1:ref:refs/heads/mains", "repo:contoso/contoso-repo:ref:refs/heads/main"}},
		{"matches", "a.b[c]\\*", []string{`a.b[c]\x`, `a.b[c]\`}, []string{"axb[c]\\", "a.b[c]*"}}, // neither regular expressions nor escapes
		{"matches", "it''s*", []string{"it's", "it's me"}, []string{"it''s"}},
		{"eq", "''", []string{"'"}, []string{"''"}},
	} {
		text := fmt.Sprintf("claims['sub'] %s '%s'", r.operator, r.value)
		e := parse(t, text)
		if e.String() != text {
			t.Errorf("%s: String gives %s", text, e)
		}
		for _, value := range r.yes {
			if !e.Matches(claims("sub", value)) {
				t.Errorf("%s: does not match %q", text, value)
			}
		}
		for _, value := range r.no {
			if e.Matches(claims("sub", value)) {
				t.Errorf("%s: matches %q", text, value)
			}
		}
	}
}

func TestEveryClauseMustMatch(t *testing.T) {
	const text = "claims['sub'] matches 'repo:a/*' and claims['job_workflow_ref'] eq 'a/b and c'"
	e := parse(t, text)
	want := []expression.Clause{{Claim: "sub", Operator: "matches", Value: "repo:a/*"}, {Claim: "job_workflow_ref", Operator: "eq", Value: "a/b and c"}}
	if diff := cmp.Diff(want, e.Clauses(), cmpopts.IgnoreUnexported(expression.Clause{})); diff != "" {
		t.Error(diff)
	}
	for _, r := range []struct {
		pairs []string
		want  bool
	}{
		{[]string{"sub", "repo:a/x", "job_workflow_ref", "a/b and c"}, true},
		{[]string{"sub", "repo:a/x", "job_workflow_ref", "other"}, false},
		{[]string{"sub", "other", "job_workflow_ref", "a/b and c"}, false},
		{[]string{"sub", "other", "job_workflow_ref", "other"}, false},
		{[]string{"sub", "repo:a/x"}, false},
		{[]string{"sub", "repo:a/x", "Job_workflow_ref", "a/b and c"}, false},
		{nil, false},
	} {
		if got := e.Matches(claims(r.pairs...)); got != r.want {
			t.Errorf("%v: %v", r.pairs, got)
		}
	}
	if (expression.Expression{}).Matches(claims("sub", "x")) {
		t.Error("the zero value matches")
	}
	if !parse(t, "claims['sub'] matches '*b' and claims['sub'] matches 'a*'").Matches(claims("sub", "ab")) {
		t.Error("two clauses for one claim do not match")
	}
}

func TestSyntaxErrorsHaveAPlaceAndAReason(t *testing.T) {
	ten := strings.Repeat("claims['sub'] eq 'a' and ", expression.MaxClauses)
	for _, r := range []struct {
		text     string
		position int
		reason   string
	}{
		{"", 1, "empty"},
		{"claims.sub eq 'x'", 1, "claims['name']"},
		{" claims['sub'] eq 'x'", 1, "claims['name']"},
		{"Claims['sub'] eq 'x'", 1, "claims['name']"},
		{`claims["sub"] eq 'x'`, 1, "claims['name']"},
		{"claims[‘sub’] eq 'x'", 1, "claims['name']"},
		{"(claims['sub'] eq 'x')", 1, "claims['name']"},
		{"claims['sub", 9, "']"},
		{"claims[''] eq 'x'", 9, "empty"},
		{"claims['s b'] eq 'x'", 10, "letters"},
		{"claims['" + strings.Repeat("a", 121) + "'] eq 'x'", 9, "120"},
		{"claims['sub']", 14, "eq or matches"},
		{"claims['sub'] EQ 'x'", 14, "eq or matches"},
		{"claims['sub'] ne 'x'", 14, "eq or matches"},
		{"claims['sub']  eq 'x'", 14, "eq or matches"},
		{"claims['sub'] eq  'x'", 14, "eq or matches"},
		{"claims['sub'] eq'x'", 14, "eq or matches"},
		{"claims['sub'] eq \"x\"", 14, "eq or matches"},
		{"claims['sub'] eq x", 14, "eq or matches"},
		{"claims['sub'] eq 'x", 18, "no end"},
		{"claims['é'] eq 'x'", 9, "letters"},
		{"claims['sub'] eq 'é' or claims['sub'] eq 'x'", 21, "and"},
		{"claims['sub'] eq ''", 19, "empty"},
		{"claims['sub'] eq 'it's'", 22, "and"},
		{"claims['sub'] matches 'x'.", 26, "and"},
		{"claims['sub'] matches 'x' ", 26, "and"},
		{"claims['sub'] matches 'x' and ", 31, "claims['name']"},
		{"claims['sub'] matches 'x'  and claims['sub'] eq 'x'", 26, "and"},
		{"claims['sub'] matches 'x' AND claims['sub'] eq 'x'", 26, "and"},
		{"claims['sub'] matches 'x' or claims['sub'] eq 'x'", 26, "and"},
		{"claims['sub'] matches 'x'\nand claims['sub'] eq 'x'", 26, "control"},
		{"claims['sub'] eq 'a\u200bb'", 20, "invisible"},
		{"claims['sub'] eq 'a\ufffdb'", 20, "U+FFFD"},
		{"claims['sub'] eq '\xff'", 1, "UTF-8"},
		{ten + "claims['sub'] eq 'a'", len(ten) + 1, "10 clauses"},
		{"claims['sub'] matches '" + strings.Repeat("?*", 33) + "'", 24, "64 wildcards"},
		{"claims['sub'] eq '" + strings.Repeat("é", 600) + "'", 601, "600 characters"},
	} {
		_, err := expression.Parse(r.text)
		var fault *expression.SyntaxError
		if !errors.As(err, &fault) || fault.Position != r.position || !strings.Contains(fault.Reason, r.reason) {
			t.Errorf("%.60q: %v, want %q at %d", r.text, err, r.reason, r.position)
		}
	}
	parse(t, "claims['sub'] eq '"+strings.Repeat("é", 600-19)+"'")
	parse(t, "claims['sub'] matches '"+strings.Repeat("?*", 32)+"'")
	parse(t, strings.TrimSuffix(ten, " and "))
}

func TestIssuersHaveTheirClaims(t *testing.T) {
	const sub = "claims['sub'] matches 'a*'"
	const github, gitlab, terraform = "https://token.actions.githubusercontent.com", "https://gitlab.com", "https://app.terraform.io"
	for _, r := range []struct {
		issuer, text string
		valid        bool
	}{
		{github, sub, true},
		{github, "claims['sub'] eq 'a'", true},
		{github, sub + " and claims['job_workflow_ref'] matches 'a/*'", true},
		{github, sub + " and claims['repository_id'] eq '1'", true},
		{github, sub + " and claims['repository_owner_id'] eq '1'", true},
		{github, sub + " and claims['repository_id'] matches '1*'", false},
		{github, sub + " and claims['repository'] eq 'a'", false},
		{github, "claims['job_workflow_ref'] eq 'a'", false},
		{github, "claims['repository_id'] eq '1'", false},
		{github, "claims['Sub'] eq 'a'", false},
		{github, "claims['sub'] matches '*'", false},
		{github, "claims['sub'] matches '?*' and claims['job_workflow_ref'] matches '**'", false},
		{github, "claims['sub'] matches '*' and claims['repository_id'] eq '1'", true},
		{github, "claims['sub'] eq '*'", true},
		{gitlab, sub, true},
		{gitlab, sub + " and claims['project_id'] eq '1'", true},
		{gitlab, sub + " and claims['job_workflow_ref'] eq '1'", false},
		{terraform, sub, true},
		{terraform, sub + " and claims['project_id'] eq '1'", false},
		{"https://app.eu.terraform.io", sub, true},
		{"https://app.eu.terraform.io", sub + " and claims['project_id'] eq '1'", false},
		{"https://gitlab.contoso.test", sub + " and claims['namespace_path'] matches 'a/*'", true},
		{"https://gitlab.contoso.test", "claims['namespace_path'] matches 'a/*'", false},
		{"https://gitlab.contoso.test", "claims['sub'] matches '*'", false},
		{github + "/", sub + " and claims['repository'] eq 'a'", true}, // another issuer
	} {
		err := parse(t, r.text).CheckIssuer(r.issuer)
		var refused *expression.IssuerError
		if (err == nil) != r.valid || !r.valid && !errors.As(err, &refused) {
			t.Errorf("%s, %s: %v", r.issuer, r.text, err)
		}
	}
	if (expression.Expression{}).CheckIssuer(github) == nil {
		t.Error("an expression without clauses is valid")
	}
}

// TestLongValuesOfManyWildcards ends in time only if the time does not grow with the product of both lengths to some
// power: backtracking tries more than 10^20 places.
func TestLongValuesOfManyWildcards(t *testing.T) {
	value := strings.Repeat("a", 1<<20)
	for _, pattern := range []string{strings.Repeat("*a", 32) + "*b", strings.Repeat("*a?a", 20) + "*b", "*" + strings.Repeat("a", 250) + "?b*"} {
		if parse(t, "claims['sub'] matches '"+pattern+"'").Matches(claims("sub", value)) {
			t.Errorf("%.20s matches", pattern)
		}
	}
}

// reference is a pattern as a regular expression, which Go matches in linear time.
func reference(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	return regexp.MustCompile(`(?s)^` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted) + `$`)
}

func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		"claims['sub'] eq 'a'", "claims['sub'] matches 'repo:a/*:ref:refs/heads/????' and claims['repository_id'] eq '456789'",
		"claims['sub'] matches '*a?c*d'", "claims['sub'] eq 'it''s'", "claims['sub'] eq 'a", "claims['sub'] matches '*é?*' and ",
		"claims['https://a.test/b'] matches '?'", "claims['sub'] eq 'x' or claims['sub'] eq 'y'", "'", "claims['",
	} {
		for _, value := range []string{"", "a", "it's", "repo:a/b:ref:refs/heads/main", "aabcabcd", "éa"} {
			f.Add(text, value)
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		value = strings.ToValidUTF8(value, "?") // as the values of JSON are
		e, err := expression.Parse(text)
		if err != nil {
			var fault *expression.SyntaxError
			if !errors.As(err, &fault) || fault.Position < 1 || fault.Position > len(text)+1 || fault.Reason == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if e.String() != text {
			t.Fatalf("%q became %q", text, e)
		}
		for _, c := range e.Clauses() {
			want := c.Value == value
			if c.Operator == expression.Match {
				want = reference(c.Value).MatchString(value)
			}
			if c.Matches(value) != want {
				t.Fatalf("%s matches %q: %v", c, value, !want)
			}
		}
		e.Matches(claims("sub", value))
		_ = e.CheckIssuer(value)
	})
}
