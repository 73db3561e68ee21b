package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file. Line and Column begin with 1; they are 0 where a problem has no place.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is a mistake in a file.
type Problem struct {
	At   Position
	Text string
}

// String returns file:line:column: text.
func (p Problem) String() string { return p.At.String() + ": " + p.Text }

// maxProblems bounds the problems of one error. The rest is only counted.
const maxProblems = 50

// Problems is an error that lists mistakes in files, in the order of their places.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, 0, min(len(p), maxProblems)+1)
	for i, problem := range p {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(p)-maxProblems))
			break
		}
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n")
}

// findings collects problems.
type findings struct{ problems Problems }

func (f *findings) add(at Position, format string, args ...any) {
	f.problems = append(f.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// err returns the problems as an error, or nil if there are none.
func (f *findings) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.At.File, b.At.File), a.At.Line-b.At.Line, a.At.Column-b.At.Column)
	})
	return f.problems
}
