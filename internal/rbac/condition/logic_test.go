package condition_test

import (
	"testing"
	"time"

	"midas/internal/rbac/condition"
)

// The terms with known outcomes: 1 is true, 0 is false, and the attribute of ? is absent.
const (
	isTrue    = "1 NumericEquals 1"
	isFalse   = "1 NumericEquals 0"
	isUnknown = "@Principal[absent] NumericEquals 1"
)

func TestLogicalOperatorsHaveThreeValues(t *testing.T) {
	for _, tc := range []struct{ left, right, and, or string }{
		{isTrue, isTrue, "true", "true"},
		{isTrue, isFalse, "false", "true"},
		{isTrue, isUnknown, "?", "true"},
		{isFalse, isTrue, "false", "true"},
		{isFalse, isFalse, "false", "false"},
		{isFalse, isUnknown, "false", "?"},
		{isUnknown, isTrue, "?", "true"},
		{isUnknown, isFalse, "false", "?"},
		{isUnknown, isUnknown, "?", "?"},
	} {
		for text, want := range map[string]string{
			tc.left + " AND " + tc.right:               tc.and,
			tc.left + " && " + tc.right:                tc.and,
			tc.left + " OR " + tc.right:                tc.or,
			"(" + tc.left + ")||(" + tc.right + ")":    tc.or,
			"!(" + tc.left + " and " + tc.right + ")":  negation[tc.and],
			"not(" + tc.left + " Or " + tc.right + ")": negation[tc.or],
			"NOT NOT " + tc.left + " OR " + tc.right:   tc.or,
		} {
			if got := short[parse(t, text).Evaluate(condition.Query{}).Outcome]; got != want {
				t.Errorf("%s is %s, want %s", text, got, want)
			}
		}
	}
}

// NOT binds to the next term only.
func TestNotBindsToOneTerm(t *testing.T) {
	if got := parse(t, "NOT "+isFalse+" AND "+isTrue).Evaluate(condition.Query{}).Outcome; got != condition.True {
		t.Errorf("NOT false AND true is %v", got)
	}
	if got := parse(t, "!"+isTrue+" && "+isFalse).Evaluate(condition.Query{}).Outcome; got != condition.False {
		t.Errorf("!true && false is %v", got)
	}
}

func TestFunctionsTestTheAction(t *testing.T) {
	const write = "microsoft.authorization/roleassignments/write"
	for _, tc := range []struct {
		text, action, subOperation, want string
	}{
		{"ActionMatches{'Microsoft.Authorization/roleAssignments/*'}", write, "", "true"},
		{"ActionMatches{'Microsoft.Authorization/roleDefinitions/*'}", write, "", "false"},
		{"actionmatches {'MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE'}", write, "", "true"},
		{"ActionMatches{'*/read', '*/write'}", write, "", "true"},
		{"SubOperationMatches{'Blob.List'}", "a/read", "Blob.List", "true"},
		{"SubOperationMatches{'Blob.List'}", "a/read", "blob.LIST", "true"},
		{"SubOperationMatches{'Blob.List'}", "a/read", "Blob.Read", "false"},
		{"SubOperationMatches{'*'}", "a/read", "", "false"},
		{"NOT SubOperationMatches{'Blob.List'}", "a/read", "", "true"},
		{"!(ActionMatches{'a/read'} AND NOT SubOperationMatches{'Blob.List'})", "a/read", "Blob.List", "true"},
		{"!(ActionMatches{'a/read'} AND NOT SubOperationMatches{'Blob.List'})", "a/read", "", "false"},
		{"ActionMatches{'a/read'} AND @Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'Blob.List'}", "a/read", "blob.list", "true"},
		{"Exists @Request[subOperation]", "a/read", "", "false"},
	} {
		if got := short[parse(t, tc.text).Evaluate(condition.Query{Action: tc.action, SubOperation: tc.subOperation}).Outcome]; got != tc.want {
			t.Errorf("%s for %s %s is %s, want %s", tc.text, tc.action, tc.subOperation, got, tc.want)
		}
	}
}

func TestExistsIsTrueForAttributesWithAValue(t *testing.T) {
	for value, want := range map[string]string{`"x"`: "true", `""`: "true", "0": "true", "false": "true", `["x", 5]`: "true", "null": "false", "[]": "false"} {
		var q condition.Query
		q.Attributes.Set(condition.Request, "Microsoft.Storage/storageAccounts:Name", fromJSON(t, value)...)
		for text, want := range map[string]string{
			"Exists @Request[microsoft.storage/storageaccounts:name]":     want,
			"NOT exists @request[Microsoft.Storage/storageAccounts:Name]": negation[want],
			"Exists @Resource[Microsoft.Storage/storageAccounts:Name]":    "false",
		} {
			if got := short[parse(t, text).Evaluate(q).Outcome]; got != want {
				t.Errorf("%s with %s is %s, want %s", text, value, got, want)
			}
		}
	}
}

// Before the body of a request is read, an attribute that is missing may exist.
func TestExistsIsUndecidedBeforeTheAttributesAreKnown(t *testing.T) {
	for text, want := range map[string]string{
		"Exists @Request[a]": "?", "NOT Exists @Resource[a]": "?", "Exists @Principal[a]": "false", "Exists @Environment[isPrivateLink]": "false",
		"Exists @Request[known]": "true",
	} {
		q := condition.Query{Undecided: true}
		q.Attributes.Set(condition.Request, "known", condition.Bool(false))
		if got := short[parse(t, text).Evaluate(q).Outcome]; got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// A client of checkAccess gives attributes; it must not choose the time.
func TestUtcNowIsTheTimeOfTheQuery(t *testing.T) {
	c := parse(t, "@Environment[UtcNow] DateTimeGreaterThan '2026-01-01T00:00:00.0Z'")
	var attributes condition.Attributes
	attributes.Set(condition.Environment, "utcNow", condition.Text("2030-01-01T00:00:00.0Z"))
	for now, want := range map[time.Time]condition.Outcome{
		{}: condition.CannotEvaluate,
		time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC): condition.False,
		time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC):   condition.True,
	} {
		if got := c.Evaluate(condition.Query{Now: now, Attributes: attributes}); got.Outcome != want {
			t.Errorf("at %v: %v, want %v", now, got.Outcome, want)
		}
	}
}

func TestKeysOfTagsAreComparedWithTheirCase(t *testing.T) {
	const tags = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags"
	var q condition.Query
	q.Attributes.Set(condition.Resource, "microsoft.storage/storageaccounts/blobservices/containers/blobs/TAGS:Project<$key_case_sensitive$>", condition.Text("Cascade"))
	for name, want := range map[string]string{
		tags + ":Project<$key_case_sensitive$>": "true",
		tags + ":Project<$KEY_case_sensitive$>": "true",
		tags + ":project<$key_case_sensitive$>": "?",
		tags + ":Project":                       "?",
		tags + "&$keys$&":                       "?",
	} {
		if got := short[parse(t, "@Resource["+name+"] StringEquals 'Cascade'").Evaluate(q).Outcome]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestBothSidesMayBeAttributes(t *testing.T) {
	const text = "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] ForAnyOfAnyValues:StringLikeIgnoreCase @Resource[tags:Project<$key_case_sensitive$>]"
	for _, tc := range []struct{ left, right, want string }{
		{`["Baker", "Cascade"]`, `"cascade"`, "true"},
		{`["Baker", "Cascade"]`, `["x", "CAS*"]`, "true"},
		{`["Baker"]`, `"cascade"`, "false"},
		{`["Baker"]`, `null`, "?"},
		{`null`, `"cascade"`, "?"},
		{`"Baker"`, `["baker", 5]`, "?"},
		{`"Baker"`, `[5, "baker"]`, "?"},
	} {
		var q condition.Query
		q.Attributes.Set(condition.Principal, "Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project", fromJSON(t, tc.left)...)
		q.Attributes.Set(condition.Resource, "tags:Project<$key_case_sensitive$>", fromJSON(t, tc.right)...)
		if got := short[parse(t, text).Evaluate(q).Outcome]; got != tc.want {
			t.Errorf("%s and %s: %s, want %s", tc.left, tc.right, got, tc.want)
		}
	}
}

// With operators of strings, a GUID in another spelling would differ from itself, and StringNotEquals would be true for it.
func TestGUIDsAreNotComparedAsStrings(t *testing.T) {
	var q condition.Query
	q.Attributes.Set(condition.Request, roleDefinitionID, condition.GUID(owner))
	for _, text := range []string{
		"@Request[" + roleDefinitionID + "] StringNotEquals '8E3AF657-A8FF-443C-A75C-2FE8C4BCB635'",
		"@Request[" + roleDefinitionID + "] ForAllOfAllValues:StringNotEquals {'8e3af657a8ff443ca75c2fe8c4bcb635'}",
		"@Request[" + roleDefinitionID + "] StringNotLike '8E3AF657-*'",
	} {
		if got := parse(t, text).Evaluate(q).Outcome; got != condition.CannotEvaluate {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestOnlyValuesOfTheLanguageAreReadFromJSON(t *testing.T) {
	for _, decoded := range []any{1.5, 1e300, map[string]any{}, []any{[]any{"x"}}, []any{nil}, []any{"x", 0.1}, struct{}{}} {
		if values, err := condition.FromJSON(decoded); err == nil {
			t.Errorf("%#v became %v", decoded, values)
		}
	}
	if values, err := condition.FromJSON(float64(7)); err != nil || len(values) != 1 || values[0] != condition.Number(7) {
		t.Errorf("7 became %v, %v", values, err)
	}
}
