package odata

import "fmt"

// Expr is a filter that may also use "or", parentheses, and contains(name, 'x').
type Expr struct {
	term *Term  // of a leaf
	any  bool   // one of the parts must hold, not all
	of   []Expr // the parts; none, and no term, always holds
}

// Contains is the Op of a term that is a call of contains.
const Contains = "contains"

const maxDepth = 16

// ParseExpr reads a filter. "and" binds more tightly than "or". A filter of spaces always holds.
// Every error is a *SyntaxError, or what check says of a term.
func ParseExpr(filter string, check func(Term) error) (Expr, error) {
	if len(filter) > MaxFilter {
		return Expr{}, &SyntaxError{MaxFilter, fmt.Sprintf("it is longer than %d bytes", MaxFilter)}
	}
	p := exprParser{scanner: scanner{text: filter}, check: check}
	if p.spaces(); p.ended() {
		return Expr{}, nil
	}
	e, err := p.either(0)
	if err != nil {
		return Expr{}, err
	}
	if p.spaces(); !p.ended() {
		return Expr{}, p.errorf(0, "expected \"and\", \"or\" or the end")
	}
	return e, nil
}

// Holds evaluates the filter, asking test about each term that matters.
func (e Expr) Holds(test func(Term) bool) bool {
	if e.term != nil {
		return test(*e.term)
	}
	for _, part := range e.of {
		if part.Holds(test) == e.any {
			return e.any
		}
	}
	return !e.any
}

type exprParser struct {
	scanner
	check func(Term) error
	terms int
}

// either reads parts that are joined by "or".
func (p *exprParser) either(depth int) (Expr, error) {
	return p.joined("or", func() (Expr, error) {
		return p.joined("and", func() (Expr, error) { return p.part(depth) })
	})
}

func (p *exprParser) joined(by string, read func() (Expr, error)) (Expr, error) {
	e := Expr{any: by == "or"}
	for {
		part, err := read()
		if err != nil {
			return Expr{}, err
		}
		e.of = append(e.of, part)
		p.spaces()
		before := p.next
		if p.word() != by {
			p.next = before
			break
		}
	}
	if len(e.of) == 1 {
		return e.of[0], nil
	}
	return e, nil
}

// part reads a term, or a filter in parentheses.
func (p *exprParser) part(depth int) (Expr, error) {
	p.spaces()
	if !p.take('(') {
		return p.leaf()
	}
	if depth == maxDepth {
		return Expr{}, p.errorf(1, "it has more than %d parentheses in one another", maxDepth)
	}
	e, err := p.either(depth + 1)
	if err != nil {
		return Expr{}, err
	}
	if p.spaces(); !p.take(')') {
		return Expr{}, p.errorf(0, "expected a closing parenthesis")
	}
	return e, nil
}

func (p *exprParser) leaf() (Expr, error) {
	if p.terms++; p.terms > MaxTerms {
		return Expr{}, p.errorf(0, "it has more than %d conditions", MaxTerms)
	}
	before := p.next
	term, err := Term{}, error(nil)
	if p.word() == Contains && p.take('(') {
		term, err = p.contains()
	} else {
		p.next = before
		term, err = p.term()
	}
	if err == nil {
		err = p.check(term)
	}
	return Expr{term: &term}, err
}

// contains reads the rest of contains(name, 'x').
func (p *exprParser) contains() (Term, error) {
	p.spaces()
	term := Term{Name: p.word(), Op: Contains, Quoted: true}
	p.spaces()
	if term.Name == "" || !p.take(',') {
		return Term{}, p.errorf(0, "expected the name of a property, a comma and a text")
	}
	p.spaces()
	var err error
	if term.Value, term.Quoted, err = p.value(); err != nil {
		return Term{}, err
	}
	if p.spaces(); !p.take(')') {
		return Term{}, p.errorf(0, "expected a closing parenthesis")
	}
	return term, nil
}
