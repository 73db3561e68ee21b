package expression

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	separator    = " and "
	maxClaimName = 120 // characters
)

// parser reads a text from left to right.
type parser struct {
	text      string
	at        int // bytes that are read
	wildcards int
}

func (p *parser) parse() ([]Clause, *SyntaxError) {
	if fault := p.check(); fault != nil {
		return nil, fault
	}
	var clauses []Clause
	for {
		if len(clauses) == MaxClauses {
			return nil, p.fault(p.at, "an expression has at most %d clauses", MaxClauses)
		}
		c, fault := p.clause()
		if fault != nil {
			return nil, fault
		}
		clauses = append(clauses, c)
		switch {
		case p.at == len(p.text):
			return clauses, nil
		case !p.take(separator):
			return nil, p.fault(p.at, "expected the end of the expression, or and between single spaces")
		}
	}
}

// check finds faults of the text as a whole.
func (p *parser) check() *SyntaxError {
	switch invalid := strings.IndexFunc(p.text, notInExpression); {
	case p.text == "":
		return p.fault(0, "the expression is empty")
	case len(p.text) > MaxLength*utf8.UTFMax || utf8.RuneCountInString(p.text) > MaxLength:
		return &SyntaxError{Position: MaxLength + 1, Reason: reason("an expression has at most %d characters", MaxLength)}
	case !utf8.ValidString(p.text):
		return &SyntaxError{Position: 1, Reason: "the expression is not valid UTF-8"}
	case invalid >= 0:
		return p.fault(invalid, "an expression has no control characters, no invisible ones and no replacement characters (U+FFFD)")
	}
	return nil
}

// notInExpression refuses the replacement character too: package json reads different broken escapes as this one.
func notInExpression(r rune) bool { return r != ' ' && (r == utf8.RuneError || !unicode.IsGraphic(r)) }

func (p *parser) clause() (c Clause, fault *SyntaxError) {
	if !p.take("claims['") {
		return c, p.fault(p.at, "expected a claim in the form claims['name']")
	}
	if c.Claim, fault = p.claimName(); fault != nil {
		return c, fault
	}
	switch {
	case p.take(" " + string(Equal) + " '"):
		c.Operator = Equal
	case p.take(" " + string(Match) + " '"):
		c.Operator = Match
	default:
		return c, p.fault(p.at, "expected eq or matches and a value in single quotes, with single spaces between them")
	}
	start := p.at
	if c.Value, fault = p.value(); fault != nil || c.Operator == Equal {
		return c, fault
	}
	if p.wildcards += strings.Count(c.Value, "*") + strings.Count(c.Value, "?"); p.wildcards > MaxWildcards {
		return c, p.fault(start, "an expression has at most %d wildcards", MaxWildcards)
	}
	c.pattern = compile(c.Value)
	return c, nil
}

// claimName reads the name of a claim and the bracket after it.
func (p *parser) claimName() (string, *SyntaxError) {
	name, _, found := strings.Cut(p.text[p.at:], "']")
	if !found {
		return "", p.fault(p.at, "expected '] after the name of the claim")
	}
	bad := strings.IndexFunc(name, notInClaimName)
	switch {
	case name == "":
		return "", p.fault(p.at, "the name of the claim is empty")
	case bad >= 0:
		return "", p.fault(p.at+bad, "the name of a claim has letters, digits and _ - . : / only")
	case len(name) > maxClaimName:
		return "", p.fault(p.at, "the name of a claim has at most %d characters", maxClaimName)
	}
	p.at += len(name) + len("']")
	return name, nil
}

func notInClaimName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.:/", r)
}

// value reads a value and the quote after it.
func (p *parser) value() (string, *SyntaxError) {
	start := p.at
	var value strings.Builder
	for {
		part, _, found := strings.Cut(p.text[p.at:], "'")
		if !found {
			return "", p.fault(start-1, "the single quote has no end; a single quote in a value is doubled")
		}
		value.WriteString(part)
		p.at += len(part) + 1
		if !p.take("'") {
			break
		}
		value.WriteByte('\'')
	}
	if value.Len() == 0 {
		return "", p.fault(start, "the value is empty")
	}
	return value.String(), nil
}

// take reads a word, if it is the next one.
func (p *parser) take(word string) bool {
	if !strings.HasPrefix(p.text[p.at:], word) {
		return false
	}
	p.at += len(word)
	return true
}

func (p *parser) fault(at int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Position: utf8.RuneCountInString(p.text[:at]) + 1, Reason: reason(format, args...)}
}
