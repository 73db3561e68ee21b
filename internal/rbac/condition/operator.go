package condition

import "midas/internal/arm"

// relation is what an operator tests.
type relation byte

const (
	relEquals relation = iota
	relStartsWith
	relLike
	relLess
	relLessOrEqual
	relGreater
	relGreaterOrEqual
)

// operator is one operator of comparisons.
type operator struct {
	name       string
	kind       Kind // of both sides
	relation   relation
	negated    bool // true where the relation is false
	ignoreCase bool
	crosses    bool // a quantifier may stand before it
}

// operators are all operators of comparisons, as Azure documents them. Cross products exist for equality and Like of
// strings, for numbers and for GUIDs.
var operators = [...]operator{
	{"StringEquals", KindText, relEquals, false, false, true},
	{"StringEqualsIgnoreCase", KindText, relEquals, false, true, true},
	{"StringNotEquals", KindText, relEquals, true, false, true},
	{"StringNotEqualsIgnoreCase", KindText, relEquals, true, true, true},
	{"StringStartsWith", KindText, relStartsWith, false, false, false},
	{"StringStartsWithIgnoreCase", KindText, relStartsWith, false, true, false},
	{"StringNotStartsWith", KindText, relStartsWith, true, false, false},
	{"StringNotStartsWithIgnoreCase", KindText, relStartsWith, true, true, false},
	{"StringLike", KindText, relLike, false, false, true},
	{"StringLikeIgnoreCase", KindText, relLike, false, true, true},
	{"StringNotLike", KindText, relLike, true, false, true},
	{"StringNotLikeIgnoreCase", KindText, relLike, true, true, true},
	{"NumericEquals", KindNumber, relEquals, false, false, true},
	{"NumericNotEquals", KindNumber, relEquals, true, false, true},
	{"NumericLessThan", KindNumber, relLess, false, false, true},
	{"NumericLessThanEquals", KindNumber, relLessOrEqual, false, false, true},
	{"NumericGreaterThan", KindNumber, relGreater, false, false, true},
	{"NumericGreaterThanEquals", KindNumber, relGreaterOrEqual, false, false, true},
	{"DateTimeEquals", KindTime, relEquals, false, false, false},
	{"DateTimeNotEquals", KindTime, relEquals, true, false, false},
	{"DateTimeLessThan", KindTime, relLess, false, false, false},
	{"DateTimeLessThanEquals", KindTime, relLessOrEqual, false, false, false},
	{"DateTimeGreaterThan", KindTime, relGreater, false, false, false},
	{"DateTimeGreaterThanEquals", KindTime, relGreaterOrEqual, false, false, false},
	{"BoolEquals", KindBool, relEquals, false, false, false},
	{"BoolNotEquals", KindBool, relEquals, true, false, false},
	{"GuidEquals", KindGUID, relEquals, false, false, true},
	{"GuidNotEquals", KindGUID, relEquals, true, false, true},
}

// findOperator finds an operator by its name, in any case; nil if there is none.
func findOperator(name string) *operator {
	for i := range operators {
		if arm.SameName(operators[i].name, name) {
			return &operators[i]
		}
	}
	return nil
}

// findQuantifier finds a quantifier by its word, in any case.
func findQuantifier(word string) (Quantifier, bool) {
	for i, name := range quantifierNames {
		if i > 0 && arm.SameName(name, word) {
			return Quantifier(i), true
		}
	}
	return 0, false
}
