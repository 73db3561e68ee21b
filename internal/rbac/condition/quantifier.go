package condition

// Quantifier is how many values of each side must satisfy a comparison of lists.
type Quantifier int

// The quantifiers. Without one, each side has exactly one value.
const (
	NoQuantifier Quantifier = iota
	AnyOfAny                // at least one value on the left to at least one on the right
	AllOfAny                // every value on the left to at least one on the right
	AnyOfAll                // at least one value on the left to every one on the right
	AllOfAll                // every value on the left to every one on the right
)

var quantifierNames = [...]string{"", "ForAnyOfAnyValues", "ForAllOfAnyValues", "ForAnyOfAllValues", "ForAllOfAllValues"}

// String returns the word of the language, such as ForAnyOfAnyValues.
func (q Quantifier) String() string { return quantifierNames[q] }

// allLeft reports whether every value on the left must satisfy the comparison.
func (q Quantifier) allLeft() bool { return q == AllOfAny || q == AllOfAll }

// allRight reports whether a value on the left must satisfy the comparison to every value on the right.
func (q Quantifier) allRight() bool { return q == AnyOfAll || q == AllOfAll }
