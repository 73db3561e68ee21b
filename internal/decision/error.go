package decision

import "fmt"

// Error says what is wrong with a question. Its text is for the one who asks.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func errorf(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }
