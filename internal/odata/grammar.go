package odata

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
)

// Grammar lists what a filter may contain in addition to comparisons and calls that are joined by "and".
//
//	filter     = chain *( "or" chain )                          with Or
//	chain      = part *( "and" part )
//	part       = "not" part                                     with Not
//	           / "(" filter ")"                                 with Or
//	           / name op value / name "(" [ value ] ")"
//	           / name "in" "(" value *( "," value ) ")"         with In
//	           / name "/any(" x ":" condition of x ")"          with Any
//	           / function "(" name "," value ")" [ "eq true" ]  with Functions
//	           / "substringof" "(" value "," name ")"           with Substring
type Grammar struct {
	Or, Not, In, Any bool
	Substring        bool     // the Op of its terms is Contains
	AnyCase          bool     // "and", "or", "not", operators and functions in any case, as Azure PowerShell sends them to ARM
	Functions        []string // each becomes the Op of its terms
	MaxFilter        int      // bytes; 0 means MaxFilter
	MaxTerms         int      // 0 means MaxTerms
}

// spelled returns a word as the grammar spells it.
func (g Grammar) spelled(word string) string {
	if g.AnyCase {
		return arm.Fold(word)
	}
	return word
}

// Parse parses a filter. A filter without terms is always true. It calls check for each term. Every error is a
// *SyntaxError or an error of check.
func (g Grammar) Parse(filter string, check func(Term) error) (Expr, error) {
	g.MaxFilter, g.MaxTerms = cmp.Or(g.MaxFilter, MaxFilter), cmp.Or(g.MaxTerms, MaxTerms)
	if len(filter) > g.MaxFilter {
		return Expr{}, &SyntaxError{g.MaxFilter, fmt.Sprintf("it is longer than %d bytes", g.MaxFilter)}
	}
	p := parser{scanner: scanner{text: filter}, grammar: g, check: check}
	if p.spaces(); p.ended() {
		return Expr{}, nil
	}
	e, err := p.filter(0)
	if err != nil {
		return Expr{}, err
	}
	if p.spaces(); p.ended() {
		return e, nil
	}
	if g.Or {
		return Expr{}, p.errorf(0, "expected \"and\", \"or\" or the end")
	}
	return Expr{}, p.errorf(0, "expected \"and\"")
}

type parser struct {
	scanner
	grammar Grammar
	check   func(Term) error
	terms   int
}

// filter reads a filter, up to the end or to a word or character that cannot continue it.
func (p *parser) filter(depth int) (Expr, error) {
	chain := func() (Expr, error) {
		return p.joined("and", func() (Expr, error) { return p.part(depth) })
	}
	if !p.grammar.Or {
		return chain()
	}
	return p.joined("or", chain)
}

// joined reads one or more parts that are joined by a word, which is "and" or "or".
func (p *parser) joined(by string, read func() (Expr, error)) (Expr, error) {
	e := Expr{any: by == "or"}
	for {
		part, err := read()
		if err != nil {
			return Expr{}, err
		}
		e.of = append(e.of, part)
		p.spaces()
		if !p.keyword(by) {
			break
		}
		if p.terms == p.grammar.MaxTerms {
			return Expr{}, p.errorf(0, "it has more than %d conditions", p.grammar.MaxTerms)
		}
	}
	if len(e.of) == 1 {
		return e.of[0], nil
	}
	return e, nil
}

// keyword reads the next word if it is equal to word, and reports whether it is.
func (p *parser) keyword(word string) bool {
	before := p.next
	if p.grammar.spelled(p.word()) == word {
		return true
	}
	p.next = before
	return false
}

// part reads a condition, a negation, or a filter in parentheses.
func (p *parser) part(depth int) (Expr, error) {
	p.spaces()
	if p.grammar.Not && p.negation() {
		if depth == maxDepth {
			return Expr{}, p.errorf(0, "it has more than %d negations in one another", maxDepth)
		}
		inner, err := p.part(depth + 1)
		return Expr{not: true, of: []Expr{inner}}, err
	}
	if !p.grammar.Or || !p.take('(') {
		return p.leaf()
	}
	if depth == maxDepth {
		return Expr{}, p.errorf(1, "it has more than %d parentheses in one another", maxDepth)
	}
	e, err := p.filter(depth + 1)
	if err != nil {
		return Expr{}, err
	}
	if p.spaces(); !p.take(')') {
		return Expr{}, p.errorf(0, "expected a closing parenthesis")
	}
	return e, nil
}

// negation reads "not" if a condition follows. Otherwise "not" is the name of a property.
func (p *parser) negation() bool {
	before := p.next
	if p.keyword("not") {
		if p.spaces(); !p.ended() && p.text[p.next] != ',' && p.text[p.next] != ')' {
			return true
		}
	}
	p.next = before
	return false
}

func (p *parser) leaf() (Expr, error) {
	p.terms++
	term, err := p.term("")
	if err == nil {
		err = p.check(term)
	}
	return Expr{term: &term}, err
}

// term reads a condition. Inside of any(x:...), x is the name of the variable that the condition must use;
// otherwise x is empty.
func (p *parser) term(x string) (Term, error) {
	ends := " '(),"
	if p.grammar.Any {
		ends += "/"
	}
	name := p.until(ends)
	if name == "" {
		return Term{}, p.errorf(0, "expected the name of a property or function")
	}
	before := p.next
	switch function := p.grammar.spelled(name); {
	case slices.Contains(p.grammar.Functions, function):
		if p.spaces(); p.take('(') {
			return p.function(function, x)
		}
	case p.grammar.Substring && function == "substringof":
		if p.spaces(); p.take('(') {
			return p.substring()
		}
	}
	p.next = before
	switch {
	case p.take('('):
		return p.call(name)
	case p.grammar.Any && x == "" && p.take('/'):
		return p.any(name)
	case x != "" && name != x:
		return Term{}, p.errorf(len(name), "expected %q", x)
	}
	return p.comparison(name)
}

// comparison reads the rest of "name op value", or of "name in (value, value)".
func (p *parser) comparison(name string) (Term, error) {
	p.spaces()
	op := p.grammar.spelled(p.word())
	if p.grammar.In && op == In {
		return p.in(name)
	}
	if !slices.Contains(operators[:], op) {
		return Term{}, p.errorf(len(op), "expected one of %s", strings.Join(operators[:], ", "))
	}
	p.spaces()
	value, quoted, err := p.value()
	if err != nil {
		return Term{}, err
	}
	return Term{Name: name, Op: op, Value: value, Quoted: quoted}, nil
}

func (p *parser) in(name string) (Term, error) {
	if p.spaces(); !p.take('(') {
		return Term{}, p.errorf(0, "expected a list of values in parentheses")
	}
	term := Term{Name: name, Op: In}
	for {
		p.spaces()
		value, quoted, err := p.value()
		if err != nil {
			return Term{}, err
		}
		term.In = append(term.In, Literal{value, quoted})
		if p.spaces(); p.take(')') {
			term.Value, term.Quoted = term.In[0].Value, term.In[0].Quoted
			return term, nil
		}
		if !p.take(',') {
			return Term{}, p.errorf(0, "expected a comma or a closing parenthesis")
		}
		if len(term.In) == maxIn {
			return Term{}, p.errorf(0, "it has more than %d values", maxIn)
		}
	}
}

// call reads the rest of name() or name(value).
func (p *parser) call(name string) (Term, error) {
	term := Term{Name: name, Op: Call}
	if p.spaces(); p.take(')') {
		return term, nil
	}
	var err error
	if term.Value, term.Quoted, err = p.value(); err != nil {
		return Term{}, err
	}
	if p.spaces(); !p.take(')') {
		return Term{}, p.errorf(0, "expected a closing parenthesis")
	}
	return term, nil
}

// function reads the rest of function(name, value). It accepts "eq true" after it, because the clients that
// OData libraries generate write that.
func (p *parser) function(function, x string) (Term, error) {
	p.spaces()
	term := Term{Name: p.word(), Op: function}
	if p.spaces(); term.Name == "" || x != "" && term.Name != x || !p.take(',') {
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
	if p.spaces(); p.keyword("eq") {
		if p.spaces(); !p.keyword("true") {
			return Term{}, p.errorf(0, "expected true")
		}
	}
	return term, nil
}

// substring reads the rest of substringof(value, name).
func (p *parser) substring() (term Term, err error) {
	term.Op = Contains
	p.spaces()
	if term.Value, term.Quoted, err = p.value(); err != nil {
		return Term{}, err
	}
	if p.spaces(); !p.take(',') {
		return Term{}, p.errorf(0, "expected a comma and the name of a property")
	}
	p.spaces()
	term.Name = p.word()
	if p.spaces(); term.Name == "" || !p.take(')') {
		return Term{}, p.errorf(0, "expected the name of a property and a closing parenthesis")
	}
	return term, nil
}

// any reads the rest of name/any(x:condition).
func (p *parser) any(name string) (Term, error) {
	if !p.keyword("any") {
		return Term{}, p.errorf(0, "expected any")
	}
	if p.spaces(); !p.take('(') {
		return Term{}, p.errorf(0, "expected a parenthesis")
	}
	p.spaces()
	x := p.until(" '(),/:")
	if p.spaces(); x == "" || !p.take(':') {
		return Term{}, p.errorf(0, "expected a name and a colon")
	}
	p.spaces()
	term, err := p.term(x)
	if err != nil {
		return Term{}, err
	}
	if p.spaces(); !p.take(')') {
		return Term{}, p.errorf(0, "expected a closing parenthesis")
	}
	term.Name, term.Any = name, true
	return term, nil
}
