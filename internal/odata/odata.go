// Package odata reads the small part of OData's $filter language that ARM's lists understand:
// comparisons and calls, joined by "and".
//
//	eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName eq 'rg1'
//	atScope() and assignedTo('22222222-2222-2222-2222-222222222222')
//
// It knows the grammar only. Which names a list has, what they mean, and which operators go with
// them is for that list to say: it gets the terms and refuses those that it does not know.
package odata

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a filter. Both are far above what any client sends.
const (
	MaxFilter = 4096 // bytes
	MaxTerms  = 16
)

// Call is the Op of a term that is a function call.
const Call = "()"

// operators are the comparisons of OData.
var operators = [...]string{"eq", "ne", "gt", "ge", "lt", "le"}

// Term is one condition of a filter: a comparison such as "name eq 'x'", or a call such as
// "atScope()".
type Term struct {
	Name   string // as the client spelled it
	Op     string // eq, ne, gt, ge, lt, le, or Call
	Value  string // without quotes; empty for a call without an argument
	Quoted bool   // the value stood in quotes
}

// SyntaxError says where a filter stops being readable.
type SyntaxError struct {
	Offset int    // in bytes, from 0
	Text   string // what was expected there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the filter is not valid at position %d: %s", e.Offset, e.Text)
}

// Parse reads a filter into its terms, all of which must hold. A filter of spaces has no terms.
// Every error is a *SyntaxError.
func Parse(filter string) ([]Term, error) {
	if len(filter) > MaxFilter {
		return nil, &SyntaxError{MaxFilter, fmt.Sprintf("it is longer than %d bytes", MaxFilter)}
	}
	s := scanner{text: filter}
	s.spaces()
	if s.ended() {
		return nil, nil
	}
	var terms []Term
	for {
		term, err := s.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
		if s.spaces(); s.ended() {
			return terms, nil
		}
		if word := s.word(); word != "and" {
			return nil, s.errorf(len(word), "expected \"and\"")
		}
		if len(terms) == MaxTerms {
			return nil, s.errorf(0, "it has more than %d conditions", MaxTerms)
		}
		s.spaces()
	}
}

// scanner walks over the text of a filter.
type scanner struct {
	text string
	next int
}

func (s *scanner) ended() bool { return s.next == len(s.text) }

func (s *scanner) spaces() {
	for s.next < len(s.text) && s.text[s.next] == ' ' {
		s.next++
	}
}

// word takes the bytes up to the next space, quote, parenthesis or comma.
func (s *scanner) word() string {
	rest := s.text[s.next:]
	if end := strings.IndexAny(rest, " '(),"); end >= 0 {
		rest = rest[:end]
	}
	s.next += len(rest)
	return rest
}

// errorf makes an error at back bytes before the next one.
func (s *scanner) errorf(back int, format string, args ...any) error {
	return &SyntaxError{s.next - back, fmt.Sprintf(format, args...)}
}

func (s *scanner) term() (Term, error) {
	name := s.word()
	if name == "" {
		return Term{}, s.errorf(0, "expected the name of a property or function")
	}
	if s.take('(') {
		return s.call(name)
	}
	s.spaces()
	op := s.word()
	if !slices.Contains(operators[:], op) {
		return Term{}, s.errorf(len(op), "expected one of %s", strings.Join(operators[:], ", "))
	}
	s.spaces()
	value, quoted, err := s.value()
	if err != nil {
		return Term{}, err
	}
	return Term{Name: name, Op: op, Value: value, Quoted: quoted}, nil
}

// call reads the rest of a function call, which has no argument or one.
func (s *scanner) call(name string) (Term, error) {
	term := Term{Name: name, Op: Call}
	if s.spaces(); s.take(')') {
		return term, nil
	}
	var err error
	if term.Value, term.Quoted, err = s.value(); err != nil {
		return Term{}, err
	}
	if s.spaces(); !s.take(')') {
		return Term{}, s.errorf(0, "expected a closing parenthesis")
	}
	return term, nil
}

// value reads a literal: quoted, where two quotes mean one, or a bare word such as a time.
func (s *scanner) value() (value string, quoted bool, err error) {
	start := s.next
	if !s.take('\'') {
		if value = s.word(); value == "" {
			return "", false, s.errorf(0, "expected a value")
		}
		return value, false, nil
	}
	var b strings.Builder
	for {
		run, _, closed := strings.Cut(s.text[s.next:], "'")
		if !closed {
			return "", false, &SyntaxError{start, "this quote is not closed"}
		}
		b.WriteString(run)
		s.next += len(run) + 1
		if !s.take('\'') {
			return b.String(), true, nil
		}
		b.WriteByte('\'')
	}
}

// take steps over the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.next == len(s.text) || s.text[s.next] != c {
		return false
	}
	s.next++
	return true
}
