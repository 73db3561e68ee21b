package rbac

// Considered is an assignment in an explanation, and what it gives to the access.
type Considered struct {
	Ref
	At        string // the scope of the assignment, as its creator spelled it
	RoleName  string // empty if the role does not exist
	Outcome   Outcome
	Action    string // the pattern of the role that matches the action; empty if none does
	NotAction string // the pattern of the role that excludes the action again; empty if none does
	Condition *string
	Evaluated *Evaluated // of the condition, if the role allows the action and the assignment has a condition
}

// Evaluated is the result of a condition and of its parts.
type Evaluated struct {
	Result string // true, false or cannot be evaluated
	Reason string // why the condition could not be evaluated; else empty
	Parts  []EvaluatedPart
}

// EvaluatedPart is one comparison of a condition.
type EvaluatedPart struct {
	Text   string   // as the author of the condition wrote it
	Values []string // the values of each attribute that it has read, as "name = {value, value}"
	Result string
}
