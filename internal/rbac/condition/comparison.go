package condition

import "iter"

// Comparison is a comparison in a condition, for those who examine conditions without evaluating them.
type Comparison struct {
	Left, Right *Operand
	Operator    string // such as GuidNotEquals
	Quantifier  Quantifier
	Excludes    bool // true for values that differ from those on the right: a negated operator, or another one after NOT
}

// Comparisons iterates over the comparisons of a condition in the order of the text.
func (c *Condition) Comparisons() iter.Seq[Comparison] {
	return func(yield func(Comparison) bool) { c.root.comparisons(false, yield) }
}

// comparisons reports false if yield has.
func (x *expression) comparisons(negated bool, yield func(Comparison) bool) bool {
	if x.kind == kindComparison {
		return yield(Comparison{&x.left, &x.right, x.operator.name, x.quantifier, x.operator.negated != negated})
	}
	for i := range x.operands {
		if !x.operands[i].comparisons(negated != (x.kind == kindNot), yield) {
			return false
		}
	}
	return true
}
