package expression

import "fmt"

// SyntaxError says where an expression is not valid, and why.
type SyntaxError struct {
	Position int // of the character at which the fault is, counted from 1
	Reason   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("at character %d: %s", e.Position, e.Reason) }

func reason(format string, args ...any) string { return fmt.Sprintf(format, args...) }
