package condition

import "time"

// Query is a request for which a condition is evaluated.
type Query struct {
	Action       string // folded
	SubOperation string // such as Blob.List; empty for most actions
	Data         bool   // the action is a data action
	// Now is @Environment[UtcNow]. The attribute is absent if the time is zero. It is never read from Attributes,
	// which may come from a client.
	Now        time.Time
	Attributes Attributes
	// Undecided means that attributes of the request and the resource may be missing that will be known later, such as
	// those of a body that is not read yet. Then Exists of a missing one cannot be evaluated.
	Undecided bool
}
