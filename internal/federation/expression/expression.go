// Package expression implements the language of claims matching expressions, version 1: the conditions of flexible
// federated identity credentials.
//
// An expression has one clause, or several that are joined by " and ". A clause names a claim, an operator and a value
// in single quotes, with one space between them:
//
//	claims['sub'] matches 'repo:contoso/*:ref:refs/heads/????' and claims['repository_owner_id'] eq '123456'
//
// The operator eq compares the whole value. In the value of matches, an asterisk stands for any characters, also none,
// and a question mark for one character. A single quote in a value is doubled; no other character has an escape. All
// comparisons are case-sensitive. The rules are those of Microsoft's page on flexible federated identity credentials.
package expression

import (
	"slices"
	"strings"
)

// LanguageVersion is the version of the language.
const LanguageVersion = 1

// The bounds of an expression. MaxLength is the limit that Azure documents for a subject.
const (
	MaxLength    = 600 // characters
	MaxClauses   = 10
	MaxWildcards = 64 // in all clauses together
)

// Expression is a parsed expression. It does not change and is safe for concurrent use. The zero value matches nothing.
type Expression struct {
	clauses []Clause
}

// Parse parses and compiles an expression. An error is a *SyntaxError with the place of the fault.
func Parse(text string) (Expression, error) {
	p := parser{text: text}
	clauses, fault := p.parse()
	if fault != nil {
		return Expression{}, fault
	}
	return Expression{clauses}, nil
}

// Matches reports whether every clause matches. The function claim returns the value of a claim, and false if the token
// has no such claim or if its value is not a string. The time is proportional to the length of the values.
func (e Expression) Matches(claim func(name string) (string, bool)) bool {
	for _, c := range e.clauses {
		if value, found := claim(c.Claim); !found || !c.Matches(value) {
			return false
		}
	}
	return len(e.clauses) > 0
}

// Clauses returns the clauses in the order of the text.
func (e Expression) Clauses() []Clause { return slices.Clone(e.clauses) }

// String returns the text that Parse reads as this expression.
func (e Expression) String() string {
	texts := make([]string, len(e.clauses))
	for i, c := range e.clauses {
		texts[i] = c.String()
	}
	return strings.Join(texts, separator)
}
