package condition_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"midas/internal/rbac/condition"
)

// TestOperatorsHaveTheirTruthTables reads testdata/operators.txt, which has every operator with every quantifier.
func TestOperatorsHaveTheirTruthTables(t *testing.T) {
	text, err := os.ReadFile("testdata/operators.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, " | ")
		word, _, _ := strings.Cut(parts[0], " ")
		seen[word] = true
		for _, cell := range append(parts[1:], "null ?", "[] ?", "absent ?") {
			at := strings.LastIndexByte(cell, ' ')
			checkCell(t, "@Resource[a] "+parts[0], cell[:at], cell[at+1:])
		}
	}
	for _, word := range everyOperator() {
		if !seen[word] {
			t.Errorf("testdata/operators.txt has no line for %s", word)
		}
	}
}

// checkCell checks a comparison and its negation for one value.
func checkCell(t *testing.T, text, value, want string) {
	t.Helper()
	var q condition.Query
	if value != "absent" {
		q.Attributes.Set(condition.Resource, "a", fromJSON(t, value)...)
	}
	for prefix, want := range map[string]string{"": want, "NOT ": negation[want]} {
		r := parse(t, prefix+text).Evaluate(q)
		if got := short[r.Outcome]; got != want {
			t.Errorf("%s%s with %s is %s (%s), want %s", prefix, text, value, got, r.Reason(), want)
		}
		if (r.Reason() == "") != (r.Outcome != condition.CannotEvaluate) {
			t.Errorf("%s%s with %s: %v has the reason %q", prefix, text, value, r.Outcome, r.Reason())
		}
	}
}

var (
	short    = map[condition.Outcome]string{condition.True: "true", condition.False: "false", condition.CannotEvaluate: "?"}
	negation = map[string]string{"true": "false", "false": "true", "?": "?"}
)

// everyOperator lists the operators that Azure documents, alone and in cross products.
func everyOperator() (all []string) {
	for _, name := range strings.Fields("Equals NotEquals LessThan LessThanEquals GreaterThan GreaterThanEquals") {
		all = append(all, "DateTime"+name)
	}
	for _, name := range strings.Fields("StartsWith NotStartsWith") {
		all = append(all, "String"+name, "String"+name+"IgnoreCase")
	}
	all = append(all, "BoolEquals", "BoolNotEquals")
	for _, before := range []string{"", "ForAnyOfAnyValues:", "ForAllOfAnyValues:", "ForAnyOfAllValues:", "ForAllOfAllValues:"} {
		for _, name := range strings.Fields("Equals NotEquals Like NotLike") {
			all = append(all, before+"String"+name, before+"String"+name+"IgnoreCase")
		}
		for _, name := range strings.Fields("Equals NotEquals LessThan LessThanEquals GreaterThan GreaterThanEquals") {
			all = append(all, before+"Numeric"+name)
		}
		all = append(all, before+"GuidEquals", before+"GuidNotEquals")
	}
	return all
}

func parse(t testing.TB, text string) *condition.Condition {
	t.Helper()
	c, err := condition.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func fromJSON(t testing.TB, text string) []condition.Value {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	values, err := condition.FromJSON(decoded)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return values
}
