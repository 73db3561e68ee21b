package condition

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError says where and why a text is not a condition.
type SyntaxError struct {
	Offset int    // of the fault, in bytes from the start of the text
	Line   int    // from 1
	Column int    // from 1, in characters
	Reason string // a sentence without its full stop, such as "a string has no closing quotation mark"
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// faultAt makes the error for a place in a text.
func faultAt(text string, offset int, format string, args ...any) *SyntaxError {
	line := strings.Count(text[:offset], "\n") + 1
	begin := strings.LastIndexByte(text[:offset], '\n') + 1
	return &SyntaxError{
		Offset: offset, Line: line, Column: utf8.RuneCountInString(text[begin:offset]) + 1,
		Reason: fmt.Sprintf(format, args...),
	}
}
