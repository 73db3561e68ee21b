package condition

import "midas/internal/rbac/action"

// expressionKind is a kind of expression.
type expressionKind byte

const (
	kindAnd expressionKind = iota
	kindOr
	kindNot
	kindActionMatches
	kindSubOperationMatches
	kindExists // of left
	kindComparison
)

// expression is a condition or a part of it.
type expression struct {
	kind     expressionKind
	operands []expression // of AND, OR and NOT

	tokens   []token // of ActionMatches and SubOperationMatches
	patterns []action.Pattern

	quantifier  Quantifier // of comparisons
	operator    *operator
	left, right Operand
}

// logical are the words of AND and OR.
var logical = [...]string{kindAnd: " AND ", kindOr: " OR "}

// append appends the expression in canonical form.
func (x *expression) append(b []byte) []byte {
	switch x.kind {
	case kindAnd, kindOr:
		for i := range x.operands {
			if i > 0 {
				b = append(b, logical[x.kind]...)
			}
			b = x.operands[i].appendOperand(b)
		}
		return b
	case kindNot:
		return x.operands[0].appendOperand(append(b, '!'))
	case kindActionMatches:
		return appendSet(append(b, actionMatches...), x.tokens)
	case kindSubOperationMatches:
		return appendSet(append(b, subOperationMatches...), x.tokens)
	case kindExists:
		return x.left.append(append(b, exists+" "...))
	}
	b = append(x.left.append(b), ' ')
	if x.quantifier != NoQuantifier {
		b = append(append(b, x.quantifier.String()...), ':')
	}
	return x.right.append(append(append(b, x.operator.name...), ' '))
}

// appendOperand appends an operand of AND, OR or NOT, in parentheses where they matter.
func (x *expression) appendOperand(b []byte) []byte {
	if x.kind != kindAnd && x.kind != kindOr {
		return x.append(b)
	}
	return append(x.append(append(b, '(')), ')')
}

// testsAction reports whether the expression has ActionMatches or SubOperationMatches.
func (x *expression) testsAction() bool {
	for i := range x.operands {
		if x.operands[i].testsAction() {
			return true
		}
	}
	return x.kind == kindActionMatches || x.kind == kindSubOperationMatches
}
