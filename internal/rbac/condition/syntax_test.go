package condition_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"midas/internal/rbac/condition"
)

const guidEquals = "@Request[" + roleDefinitionID + "] GuidEquals "

func TestFaultsHaveAPlaceAndAReason(t *testing.T) {
	for _, tc := range []struct {
		text, place, reason string // place is line:column
	}{
		{"", "1:1", "an attribute or a value is expected, not the end of the condition"},
		{" \n\t ", "2:3", "not the end of the condition"},
		{"(", "1:2", "not the end of the condition"},
		{"()", "1:2", "not ')'"},
		{"(" + isTrue, "1:19", "')' is expected, not the end"},
		{isTrue + ")", "1:18", "AND, OR or the end of the condition is expected, not ')'"},
		{"((" + isTrue + "\n AND " + isFalse + ")", "2:24", "')' is expected"},
		{isTrue + " AND", "1:22", "not the end"},
		{isTrue + " AND OR " + isTrue, "1:23", "not 'OR'"},
		{isTrue + "\nAND " + isTrue + "\n  OR " + isTrue, "3:3", "AND and OR need parentheses"},
		{isTrue + " || " + isTrue + " && " + isTrue, "1:40", "AND and OR need parentheses"},
		{"(" + isTrue + " && (" + isTrue + " || " + isTrue + ") OR " + isTrue + ")", "", "AND and OR need parentheses"},
		{isTrue + " " + isTrue, "1:19", "AND, OR or the end"},
		{isTrue + " & " + isTrue, "1:19", "the operator is '&&'"},
		{isTrue + " | " + isTrue, "1:19", "the operator is '||'"},
		{"NOT", "1:4", "not the end"},
		{"! && " + isTrue, "1:3", "not '&&'"},
		{"@Resource[a] = 'x'", "1:14", "the character '=' is not expected"},
		{"@Resource[a] == 'x'", "1:14", "the character '='"},
		{"@Resource[a] StringEqual 'x'", "1:14", "the operator 'StringEqual' is not known"},
		{"@Resource[a] ForAnyValues:StringEquals {'x'}", "1:14", "'ForAnyValues' is not known"},
		{"@Resource[a] ForAnyOfAnyValues:Equals {'x'}", "1:14", "the operator 'Equals' is not known"},
		{"@Resource[a] ForAnyOfAnyValues:BoolEquals true", "1:14", "BoolEquals does not compare several values"},
		{"@Resource[a] ForAnyOfAnyValues:StringStartsWith {'x'}", "1:14", "StringStartsWith does not compare several"},
		{"@Resource[a] ForAllOfAllValues:DateTimeEquals {'2022-06-01T00:00:00Z'}", "1:14", "DateTimeEquals does not"},
		{"@Resource[a] StringEquals {'x', 'y'}", "1:14", "StringEquals compares one value"},
		{"@Resource[a] 'x'", "1:14", "an operator is expected, not the string 'x'"},
		{"@Resource[a]", "1:13", "an operator is expected, not the end"},
		{"@Resource[a] StringEquals", "1:26", "an attribute or a value is expected"},
		{"@Resource[a] StringEquals x", "1:27", "StringEquals compares values of type string, and 'x' is not one"},
		{"@Resource[a] StringEquals 5", "1:27", "'5' is not one"},
		{"@Resource[a] StringEquals 'x", "1:27", "no closing quotation mark"},
		{`@Resource[a] StringEquals 'x\'`, "1:27", "no closing quotation mark"},
		{`@Resource[a] StringEquals "x"`, "1:27", "a string stands between ' and '"},
		{"@Resource[a] StringEquals ‘x’", "1:27", "a string stands between ' and '"},
		{"@Resource[a] NumericEquals '5'", "1:28", "NumericEquals compares values of type number"},
		{"@Resource[a] NumericEquals 1.5", "1:28", "'1.5' is not one"},
		{"@Resource[a] NumericEquals 9223372036854775808", "1:28", "is not one"},
		{"@Resource[a] ForAnyOfAnyValues:NumericEquals {1, x}", "1:50", "'x' is not one"},
		{"@Resource[a] BoolEquals yes", "1:25", "'yes' is not one"},
		{"@Resource[a] DateTimeEquals '2022-06-01'", "1:29", "is not one"},
		{guidEquals + "8e3af657", "", "'8e3af657' is not one"},
		{guidEquals + "{8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "", "',' or '}' is expected, not the end"},
		{guidEquals + "{}", "", "a value is expected, not '}'"},
		{guidEquals + "{8e3af657-a8ff-443c-a75c-2fe8c4bcb635,}", "", "a value is expected, not '}'"},
		{guidEquals + "{@Resource[a]}", "", "a value is expected, not '@Resource[a]'"},
		{"Resource[a] StringEquals 'x'", "1:9", "the character '[' is not expected"},
		{"@Resource a StringEquals 'x'", "1:1", "an attribute has the form @Resource[name]"},
		{"@ [a] StringEquals 'x'", "1:1", "an attribute has the form"},
		{"@Resource[a StringEquals 'x'", "1:1", "an attribute has no closing bracket"},
		{"@Resource[] StringEquals 'x'", "1:1", "the name of an attribute is empty"},
		{"@Resource[ a] StringEquals 'x'", "1:1", "white space around it"},
		{"@Resource[a\nb] StringEquals 'x'", "1:1", "a character that no name has"},
		{"@Subject[a] StringEquals 'x'", "1:1", "the source '@Subject' is not known"},
		{"ActionMatches", "1:14", "'{' is expected after 'ActionMatches'"},
		{"ActionMatches('x')", "1:14", "'{' is expected after 'ActionMatches', not '('"},
		{"ActionMatches{}", "1:15", "a value is expected"},
		{"ActionMatches{x}", "1:15", "a pattern stands between ' and '"},
		{"ActionMatches{''}", "1:15", "is not a pattern of actions"},
		{"ActionMatches{'a b'}", "1:15", "is not a pattern of actions"},
		{"ActionMatches{'Micros\u043eft.Authorization/*'}", "1:15", "is not a pattern of actions"},
		{"Exists", "1:7", "an attribute is expected after Exists"},
		{"Exists 'x'", "1:8", "an attribute is expected after Exists"},
		{"@Resource[a]\u00a0StringEquals 'x'", "1:13", "the character U+00A0 is not white space"},
		{"@Resource[a] StringEquals 'x' /* c */", "1:31", "the character '/' is not expected"},
		{"äö\n@Resource[ä] StringEquals \xff", "", "the text is not UTF-8"},
		{"@Resource[a] StringEquals '\xff'", "1:28", "the text is not UTF-8"},
		{"@Resource[ä] 'x'", "1:14", "an operator is expected"},
		{strings.Repeat("(", 65) + isTrue + strings.Repeat(")", 65), "1:65", "more than 64 deep"},
		{strings.Repeat("!", 5000) + isTrue, "1:65", "more than 64 deep"},
		{strings.Repeat("(", 8000), "1:65", "more than 64 deep"},
		{strings.Repeat(" ", 8192) + isTrue, "1:8193", "longer than 8192 bytes"},
	} {
		c, err := condition.Parse(tc.text)
		var fault *condition.SyntaxError
		if !errors.As(err, &fault) || c != nil {
			t.Errorf("%.60q: %v, %v", tc.text, c, err)
			continue
		}
		if place := fmt.Sprintf("%d:%d", fault.Line, fault.Column); tc.place != "" && place != tc.place || !strings.Contains(fault.Reason, tc.reason) {
			t.Errorf("%.60q: %s %s, want %s %s", tc.text, place, fault.Reason, tc.place, tc.reason)
		}
		if fault.Offset < 0 || fault.Offset > len(tc.text) || len(fault.Error()) > 300 {
			t.Errorf("%.60q: offset %d, %d bytes", tc.text, fault.Offset, len(fault.Error()))
		}
	}
}

func TestLongConditionsParse(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", 64) + isTrue + strings.Repeat(")", 64),
		strings.Repeat("!", 64) + isTrue,
		strings.Repeat(isTrue+" AND ", (8192-len(isTrue))/len(isTrue+" AND ")) + isTrue,
		strings.Repeat("NOT Exists @Request[a] && ", 300) + isTrue,
		strings.Repeat(" ", 8192-len(isTrue)) + isTrue,
	} {
		if got := parse(t, text).Evaluate(condition.Query{}).Outcome; got != condition.True {
			t.Errorf("%.60q is %v", text, got)
		}
	}
}

func TestStringIsCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"(((actionmatches {'A/b' ,'c'})))": "ActionMatches{'A/b', 'c'}",
		"a":                                "",
		"not(exists @request[X])&&( @resource[y] stringequals'z' )":                                              "!Exists @Request[X] AND @Resource[y] StringEquals 'z'",
		"(1 numericequals 1 OR {1} foranyofanyvalues:numericequals{1,2})AND SUBOPERATIONMATCHES{'x'}":            "(1 NumericEquals 1 OR {1} ForAnyOfAnyValues:NumericEquals {1, 2}) AND SubOperationMatches{'x'}",
		`!(@Environment[UtcNow] DateTimeLessThan '2022-06-01T00:00:00.0Z' || @Principal[a:b] StringLike 'a\'*')`: `!(@Environment[UtcNow] DateTimeLessThan '2022-06-01T00:00:00.0Z' OR @Principal[a:b] StringLike 'a\'*')`,
	} {
		c, err := condition.Parse(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s is accepted", text)
			}
			continue
		}
		if err != nil || c.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, c, err, want)
		}
	}
}
