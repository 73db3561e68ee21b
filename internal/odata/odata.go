// Package odata reads the part of OData's $filter language that the lists of ARM and Graph understand.
// A Grammar says how much of it a list understands; the least is comparisons and calls, joined by "and".
//
//	eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName eq 'rg1'
//	atScope() and assignedTo('22222222-2222-2222-2222-222222222222')
//	startswith(displayName,'web') or identifierUris/any(x:x eq 'api://web')
//
// The package knows the grammar only. Each list decides which names exist, what they mean, and which
// operators they have: it gets the terms and refuses those that it does not know.
package odata

import (
	"fmt"
	"strings"
)

// Limits of a filter, for a Grammar that has no others. They are far above what clients send.
const (
	MaxFilter = 4096 // bytes
	MaxTerms  = 16
	maxDepth  = 16 // of parentheses in one another
	maxIn     = 64 // values
)

// Ops of terms that are not comparisons with one value.
const (
	Call     = "()"       // name() or name(value)
	Contains = "contains" // contains(name, value)
	In       = "in"       // name in (value, value)
)

// operators are the comparisons of OData.
var operators = [...]string{"eq", "ne", "gt", "ge", "lt", "le"}

// Term is one condition of a filter: a comparison such as "name eq 'x'", or a call such as
// "atScope()".
type Term struct {
	Name   string    // as the client spelled it
	Op     string    // eq, ne, gt, ge, lt, le, In, Call, or the name of a function of the Grammar
	Value  string    // without quotes; empty for a call without an argument
	Quoted bool      // the value stood in quotes
	In     []Literal // all values of an In; Value and Quoted are the first of them
	Any    bool      // the property is a collection, one value of which must satisfy the condition
}

// Literal is a value in a filter.
type Literal struct {
	Value  string
	Quoted bool
}

// SyntaxError says where a filter stops being readable.
type SyntaxError struct {
	Offset int    // in bytes, from 0
	Text   string // what was expected there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the filter is not valid at position %d: %s", e.Offset, e.Text)
}

// Parse reads a filter of comparisons and calls into its terms, all of which must hold. A filter of spaces
// has no terms. Every error is a *SyntaxError.
func Parse(filter string) ([]Term, error) {
	e, err := Grammar{}.Parse(filter, func(Term) error { return nil })
	if err != nil {
		return nil, err
	}
	return e.Required(), nil
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
func (s *scanner) word() string { return s.until(" '(),") }

// until takes the bytes up to the next of the ends.
func (s *scanner) until(ends string) string {
	rest := s.text[s.next:]
	if end := strings.IndexAny(rest, ends); end >= 0 {
		rest = rest[:end]
	}
	s.next += len(rest)
	return rest
}

// errorf makes an error at back bytes before the next one.
func (s *scanner) errorf(back int, format string, args ...any) error {
	return &SyntaxError{s.next - back, fmt.Sprintf(format, args...)}
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
