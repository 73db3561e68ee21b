package expression

import "strings"

// Operator is the operator of a clause.
type Operator string

// The operators of the language.
const (
	Equal Operator = "eq"
	Match Operator = "matches"
)

// Clause compares one claim with a value.
type Clause struct {
	Claim    string
	Operator Operator
	Value    string // without the quotes around it, and with single quotes that are not doubled

	pattern pattern // of Match
}

// Matches reports whether the clause matches a claim with this value.
func (c Clause) Matches(value string) bool {
	if c.Operator == Match {
		return c.pattern.matches(value)
	}
	return c.Value == value
}

// String returns the clause as it stands in an expression.
func (c Clause) String() string {
	return "claims['" + c.Claim + "'] " + string(c.Operator) + " '" + strings.ReplaceAll(c.Value, "'", "''") + "'"
}

// open reports whether the clause matches a value whatever its characters are.
func (c Clause) open() bool { return c.Operator == Match && strings.Trim(c.Value, wildcards) == "" }
