package lock

import "midas/internal/arm"

// Level is what a lock forbids.
type Level string

// The levels, in the spelling of the API.
const (
	// NotSpecified forbids nothing.
	NotSpecified Level = "NotSpecified"
	// CanNotDelete forbids to delete the scope and what is below it.
	CanNotDelete Level = "CanNotDelete"
	// ReadOnly forbids every operation that is not a GET or a HEAD.
	ReadOnly Level = "ReadOnly"
)

// ParseLevel returns the level of a name in any case.
func ParseLevel(name string) (Level, bool) {
	for _, l := range [...]Level{NotSpecified, CanNotDelete, ReadOnly} {
		if arm.SameName(name, string(l)) {
			return l, true
		}
	}
	return "", false
}

// forbids reports whether a lock of the level forbids an operation.
func (l Level) forbids(o Operation) bool {
	switch l {
	case ReadOnly:
		return o != Read
	case CanNotDelete:
		return o == Delete
	}
	return false
}
