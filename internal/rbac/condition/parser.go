package condition

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/rbac/action"
)

// maxDepth limits the parentheses and negations within each other. Conditions that Azure's portal writes have a depth
// of about 6. The length of a condition limits the number of its terms.
const maxDepth = 64

// The words of the language that are not operators of comparisons.
const (
	actionMatches       = "ActionMatches"
	subOperationMatches = "SubOperationMatches"
	exists              = "Exists"
)

// parser parses a condition by recursive descent:
//
//	expression = term { AND term } | term { OR term }
//	term       = NOT term | "(" expression ")" | ActionMatches set | SubOperationMatches set | Exists attribute |
//	             operand [ quantifier ":" ] operator operand
type parser struct {
	lexer
	token token // the next one
	depth int
}

// parse parses the whole text.
func (p *parser) parse() (expression, *SyntaxError) {
	if len(p.text) > MaxLength {
		return expression{}, faultAt(p.text, MaxLength, "the condition is longer than %d bytes", MaxLength)
	}
	for i, r := range p.text {
		if _, size := utf8.DecodeRuneInString(p.text[i:]); r == utf8.RuneError && size == 1 {
			return expression{}, faultAt(p.text, i, "the text is not UTF-8")
		}
	}
	if fault := p.advance(); fault != nil {
		return expression{}, fault
	}
	x, fault := p.expression()
	if fault == nil && p.token.kind != tokenEnd {
		fault = p.fault("AND, OR or the end of the condition is expected, not %s", p.token)
	}
	return x, fault
}

// advance reads the next token.
func (p *parser) advance() (fault *SyntaxError) {
	p.token, fault = p.next()
	return fault
}

// fault makes an error for the next token.
func (p *parser) fault(format string, args ...any) *SyntaxError {
	return faultAt(p.text, p.token.offset, format, args...)
}

// expect reads a token of a kind.
func (p *parser) expect(kind tokenKind, what string) *SyntaxError {
	if p.token.kind != kind {
		return p.fault("%s is expected, not %s", what, p.token)
	}
	return p.advance()
}

// expression parses terms that are joined by AND, or by OR. Azure wants parentheses where both occur.
func (p *parser) expression() (expression, *SyntaxError) {
	x, fault := p.term()
	if fault != nil || p.token.kind != tokenAnd && p.token.kind != tokenOr {
		return x, fault
	}
	joint := p.token.kind
	joined := expression{kind: kindAnd, operands: []expression{x}}
	if joint == tokenOr {
		joined.kind = kindOr
	}
	for p.token.kind == tokenAnd || p.token.kind == tokenOr {
		if p.token.kind != joint {
			return x, p.fault("AND and OR need parentheses that say which of them comes first")
		}
		if fault := p.advance(); fault != nil {
			return x, fault
		}
		if x, fault = p.term(); fault != nil {
			return x, fault
		}
		joined.operands = append(joined.operands, x)
	}
	return joined, nil
}

// term parses one term.
func (p *parser) term() (expression, *SyntaxError) {
	switch p.token.kind {
	case tokenNot:
		return p.nested(p.term, func(x expression) expression {
			return expression{kind: kindNot, operands: []expression{x}}
		})
	case tokenOpen:
		return p.nested(p.parenthesised, func(x expression) expression { return x })
	}
	if p.token.kind == tokenWord {
		switch {
		case arm.SameName(p.token.text, actionMatches):
			return p.function(kindActionMatches)
		case arm.SameName(p.token.text, subOperationMatches):
			return p.function(kindSubOperationMatches)
		case arm.SameName(p.token.text, exists):
			return p.exists()
		}
	}
	return p.comparison()
}

// nested parses what follows NOT or an opening parenthesis.
func (p *parser) nested(parse func() (expression, *SyntaxError), wrap func(expression) expression) (expression, *SyntaxError) {
	if p.depth++; p.depth > maxDepth {
		return expression{}, p.fault("parentheses and negations stand more than %d deep in each other", maxDepth)
	}
	defer func() { p.depth-- }()
	if fault := p.advance(); fault != nil {
		return expression{}, fault
	}
	x, fault := parse()
	return wrap(x), fault
}

// parenthesised parses an expression and the closing parenthesis.
func (p *parser) parenthesised() (expression, *SyntaxError) {
	x, fault := p.expression()
	if fault != nil {
		return x, fault
	}
	return x, p.expect(tokenClose, "AND, OR or ')'")
}

// function parses ActionMatches{'pattern'} and SubOperationMatches{'pattern'}.
func (p *parser) function(kind expressionKind) (expression, *SyntaxError) {
	name := p.token
	if fault := p.advance(); fault != nil {
		return expression{}, fault
	}
	if p.token.kind != tokenOpenSet {
		return expression{}, p.fault("'{' is expected after %s, not %s", name, p.token)
	}
	tokens, fault := p.set()
	x := expression{kind: kind, tokens: tokens}
	if fault != nil {
		return x, fault
	}
	for _, t := range tokens {
		if t.kind != tokenText {
			return x, faultAt(p.text, t.offset, "a pattern stands between ' and '")
		}
		if action.Check(t.text) != nil {
			return x, faultAt(p.text, t.offset, "%s is not a pattern of actions", t)
		}
		x.patterns = append(x.patterns, action.Compile(t.text))
	}
	return x, nil
}

// exists parses Exists and an attribute.
func (p *parser) exists() (expression, *SyntaxError) {
	if fault := p.advance(); fault != nil {
		return expression{}, fault
	}
	if p.token.kind != tokenAttribute {
		return expression{}, p.fault("an attribute is expected after %s, not %s", exists, p.token)
	}
	operand, fault := p.operand()
	return expression{kind: kindExists, left: operand}, fault
}

// comparison parses two operands and the operator between them.
func (p *parser) comparison() (expression, *SyntaxError) {
	x := expression{kind: kindComparison}
	var fault *SyntaxError
	if x.left, fault = p.operand(); fault != nil {
		return x, fault
	}
	at := p.token
	if fault = p.operator(&x); fault != nil {
		return x, fault
	}
	if x.right, fault = p.operand(); fault != nil {
		return x, fault
	}
	if x.quantifier == NoQuantifier && (len(x.left.tokens) > 1 || len(x.right.tokens) > 1) {
		return x, faultAt(p.text, at.offset, "%s compares one value; for several, a word such as %s: stands before it", x.operator.name, AnyOfAny)
	}
	if fault = x.left.compile(p.text, x.operator, false); fault != nil {
		return x, fault
	}
	if fault = x.right.compile(p.text, x.operator, true); fault != nil {
		return x, fault
	}
	return x, nil
}

// operator parses an operator and the quantifier before it.
func (p *parser) operator(x *expression) *SyntaxError {
	if p.token.kind != tokenWord {
		return p.fault("an operator is expected, not %s", p.token)
	}
	word, name, crossed := strings.Cut(p.token.text, ":")
	if crossed {
		var known bool
		if x.quantifier, known = findQuantifier(word); !known {
			return p.fault("'%s' is not known; comparisons of several values begin with ForAnyOfAnyValues, ForAllOfAnyValues, ForAnyOfAllValues or ForAllOfAllValues", clip(word))
		}
	} else {
		name = word
	}
	if x.operator = findOperator(name); x.operator == nil {
		return p.fault("the operator '%s' is not known", clip(name))
	}
	if crossed && !x.operator.crosses {
		return p.fault("%s does not compare several values", x.operator.name)
	}
	return p.advance()
}

// operand parses an attribute, a value or a set of values.
func (p *parser) operand() (Operand, *SyntaxError) {
	t := p.token
	switch t.kind {
	case tokenAttribute:
		o, fault := newAttribute(p.text, t)
		if fault != nil {
			return o, fault
		}
		return o, p.advance()
	case tokenText, tokenWord:
		return Operand{tokens: []token{t}}, p.advance()
	case tokenOpenSet:
		tokens, fault := p.set()
		return Operand{set: true, tokens: tokens}, fault
	}
	return Operand{}, p.fault("an attribute or a value is expected, not %s", t)
}

// set parses values in braces.
func (p *parser) set() (tokens []token, fault *SyntaxError) {
	for first := true; first || p.token.kind == tokenComma; first = false {
		if fault := p.advance(); fault != nil {
			return nil, fault
		}
		if p.token.kind != tokenText && p.token.kind != tokenWord {
			return nil, p.fault("a value is expected, not %s", p.token)
		}
		tokens = append(tokens, p.token)
		if fault := p.advance(); fault != nil {
			return nil, fault
		}
	}
	return tokens, p.expect(tokenCloseSet, "',' or '}'")
}

// parseNumber reads an integer.
func parseNumber(text string) (Value, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return Number(n), err == nil
}
