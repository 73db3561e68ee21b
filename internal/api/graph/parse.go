package graph

import (
	"slices"
	"strings"
)

// Limits of a filter. They are far above what clients send.
const (
	maxFilter = 6 << 10 // bytes
	maxTerms  = 64
	maxDepth  = 16
	maxIn     = 64
)

// parser reads a $filter:
//
//	condition  = and-chain *( "or" and-chain )
//	and-chain  = factor *( "and" factor )
//	factor     = "not" factor / "(" condition ")" / comparison
//	comparison = name op literal / name "in" "(" literals ")" / function "(" name "," literal ")" [ "eq" "true" ]
//	           / name "/any(" x ":" comparison of x ")"
type parser struct {
	rest  string
	terms []*term
}

func parseFilter(s string) (*filter, error) {
	p := &parser{rest: s}
	if len(s) > maxFilter {
		return nil, p.fail()
	}
	root, err := p.condition(0, "")
	if err != nil {
		return nil, err
	}
	if p.spaces(); p.rest != "" {
		return nil, p.fail()
	}
	return &filter{root: root, terms: p.terms}, nil
}

func (p *parser) fail() error {
	return errorf(400, "Request_UnsupportedQuery", "Invalid filter clause: syntax error or unsupported expression at '%s'.", clip(p.rest))
}

func (p *parser) spaces() { p.rest = strings.TrimLeft(p.rest, " ") }

// word takes a name, an operator or a bare literal.
func (p *parser) word() string {
	p.spaces()
	end := strings.IndexAny(p.rest, " '(),/")
	if end < 0 {
		end = len(p.rest)
	}
	w := p.rest[:end]
	p.rest = p.rest[end:]
	return w
}

// keyword takes a word if it is the next.
func (p *parser) keyword(word string) bool {
	before := p.rest
	if p.word() == word {
		return true
	}
	p.rest = before
	return false
}

func (p *parser) take(c byte) bool {
	p.spaces()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// condition reads up to where it can. The names in it must be x, if that is not empty.
func (p *parser) condition(depth int, x string) (node, error) {
	if depth > maxDepth {
		return nil, p.fail()
	}
	var either anyOf
	for {
		var all allOf
		for {
			factor, err := p.factor(depth, x)
			if err != nil {
				return nil, err
			}
			if all = append(all, factor); !p.keyword("and") {
				break
			}
		}
		if len(all) == 1 {
			either = append(either, all[0])
		} else {
			either = append(either, all)
		}
		if !p.keyword("or") {
			break
		}
	}
	if len(either) == 1 {
		return either[0], nil
	}
	return either, nil
}

func (p *parser) factor(depth int, x string) (node, error) {
	before := p.rest
	if p.keyword("not") {
		if p.spaces(); p.rest != "" && p.rest[0] != ',' && p.rest[0] != ')' {
			if depth > maxDepth {
				return nil, p.fail()
			}
			inner, err := p.factor(depth+1, x)
			return negated{inner}, err
		}
		p.rest = before
	}
	if p.take('(') {
		inner, err := p.condition(depth+1, x)
		if err == nil && !p.take(')') {
			err = p.fail()
		}
		return inner, err
	}
	return p.comparison(x)
}

func (p *parser) comparison(x string) (node, error) {
	if len(p.terms) == maxTerms {
		return nil, p.fail()
	}
	name := p.word()
	switch {
	case name == "":
		return nil, p.fail()
	case (name == "startswith" || name == "endswith") && p.take('('):
		return p.function(name, x)
	case x == "" && p.take('/'):
		return p.lambda(name)
	case x != "" && name != x:
		return nil, p.fail()
	}
	t := &term{name: name, op: p.word()}
	p.terms = append(p.terms, t)
	if t.op == "in" {
		return t, p.literals(t)
	}
	if !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le"}, t.op) {
		return nil, p.fail()
	}
	return t, p.literal(t)
}

func (p *parser) function(name, x string) (node, error) {
	t := &term{op: name, name: p.word()}
	p.terms = append(p.terms, t)
	if t.name == "" || x != "" && t.name != x || !p.take(',') {
		return nil, p.fail()
	}
	if err := p.literal(t); err != nil {
		return nil, err
	}
	if !t.args[0].quoted || !p.take(')') {
		return nil, p.fail()
	}
	if p.keyword("eq") && !p.keyword("true") { // clients generated from OData libraries say so
		return nil, p.fail()
	}
	return t, nil
}

// lambda reads the rest of name/any(x:comparison).
func (p *parser) lambda(name string) (node, error) {
	if !p.keyword("any") || !p.take('(') {
		return nil, p.fail()
	}
	x, rest, found := strings.Cut(p.rest, ":")
	if x = strings.TrimSpace(x); !found || x == "" || strings.ContainsAny(x, " '(),/") {
		return nil, p.fail()
	}
	p.rest = rest
	n, err := p.comparison(x)
	if err != nil {
		return nil, err
	}
	t, ok := n.(*term)
	if !ok || !p.take(')') || t.op != "eq" && t.op != "startswith" && t.op != "endswith" {
		return nil, p.fail()
	}
	t.name, t.any = name, true
	return t, nil
}

func (p *parser) literals(t *term) error {
	if !p.take('(') {
		return p.fail()
	}
	for {
		if err := p.literal(t); err != nil {
			return err
		}
		if p.take(')') {
			return nil
		}
		if !p.take(',') || len(t.args) == maxIn {
			return p.fail()
		}
	}
}

// literal reads a text in quotes, where two quotes mean one, or a bare word.
func (p *parser) literal(t *term) error {
	p.spaces()
	if !p.take('\'') {
		w := p.word()
		if w == "" {
			return p.fail()
		}
		t.args = append(t.args, literal{text: w})
		return nil
	}
	var b strings.Builder
	for {
		run, rest, closed := strings.Cut(p.rest, "'")
		if !closed {
			return p.fail()
		}
		b.WriteString(run)
		p.rest = rest
		if !strings.HasPrefix(rest, "'") {
			t.args = append(t.args, literal{text: b.String(), quoted: true})
			return nil
		}
		b.WriteByte('\'')
		p.rest = rest[1:]
	}
}
