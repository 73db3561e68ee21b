// Package odata parses the part of OData's $filter language that the lists of ARM and Graph use. Each list has a
// Grammar. The smallest Grammar has comparisons and calls, joined by "and".
//
//	eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName eq 'rg1'
//	atScope() and assignedTo('22222222-2222-2222-2222-222222222222')
//	startswith(displayName,'web') or identifierUris/any(x:x eq 'api://web')
//
// The package implements the syntax only. Each list defines its names, their meaning and their operators: it
// receives the terms and refuses those that it does not support.
package odata

import (
	"fmt"
	"strings"
)

// Limits of a filter. MaxFilter and MaxTerms are the defaults of a Grammar. Clients send far smaller filters.
const (
	MaxFilter = 4096 // bytes
	MaxTerms  = 16
	maxDepth  = 16 // nested parentheses or negations
	maxIn     = 64 // values of one "in"
)

// Values of Term.Op for terms that are not comparisons with one value.
const (
	Call     = "()"       // name() or name(value)
	Contains = "contains" // contains(name, value), or substringof(value, name)
	In       = "in"       // name in (value, value)
)

// operators are the comparison operators of OData.
var operators = [...]string{"eq", "ne", "gt", "ge", "lt", "le"}

// Term is one condition of a filter: a comparison such as "name eq 'x'", or a call such as
// "atScope()".
type Term struct {
	Name   string    // as the client spelled it
	Op     string    // eq, ne, gt, ge, lt, le, In, Call, or the name of a function of the Grammar
	Value  string    // without quotes; empty for a call without an argument
	Quoted bool      // the value was in quotes
	In     []Literal // all values of an In; Value and Quoted are the first of them
	Any    bool      // the property is a collection, and one of its values must satisfy the condition
}

// Literal is a value in a filter.
type Literal struct {
	Value  string
	Quoted bool
}

// SyntaxError is an error in the syntax of a filter.
type SyntaxError struct {
	Offset int    // in bytes, from 0
	Text   string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the filter is not valid at position %d: %s", e.Offset, e.Text)
}

// Parse parses a filter of ARM: comparisons and calls that are joined by "and". It returns the terms. An empty
// filter has no terms. Every error is a *SyntaxError.
func Parse(filter string) ([]Term, error) {
	e, err := Grammar{AnyCase: true}.Parse(filter, func(Term) error { return nil })
	if err != nil {
		return nil, err
	}
	return e.Required(), nil
}

// scanner reads the text of a filter.
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

// word reads the bytes up to the next space, quote, parenthesis or comma.
func (s *scanner) word() string { return s.until(" '(),") }

// until reads the bytes up to the next one that is in ends.
func (s *scanner) until(ends string) string {
	rest := s.text[s.next:]
	if end := strings.IndexAny(rest, ends); end >= 0 {
		rest = rest[:end]
	}
	s.next += len(rest)
	return rest
}

// errorf returns an error at back bytes before the next byte.
func (s *scanner) errorf(back int, format string, args ...any) error {
	return &SyntaxError{s.next - back, fmt.Sprintf(format, args...)}
}

// value reads a literal: a quoted text, in which two quotes mean one, or a word without quotes such as a time.
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

// take reads the next byte if it is c, and reports whether it is.
func (s *scanner) take(c byte) bool {
	if s.next == len(s.text) || s.text[s.next] != c {
		return false
	}
	s.next++
	return true
}
