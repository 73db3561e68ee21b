package rbac

// AssignmentWrite is a request to create or to change a role assignment.
type AssignmentWrite struct {
	Assignment

	// KeepsTexts is whether the request's api-version has neither conditions nor descriptions. Those of an
	// existing assignment stay: an older client must not remove a condition that it cannot see.
	KeepsTexts bool
	// ValidateOnly is whether the request only asks if it would succeed. It writes nothing.
	ValidateOnly bool
	// Caller is who makes the request. The request is refused if conditions or deny assignments do not allow it to
	// the caller, with all that it asks for. Nil is Midas itself.
	Caller *Caller

	knownType string // the type of the principal in the directory; empty if it is not there
}

// over returns the assignment that the request wants instead of an old one.
func (w AssignmentWrite) over(old Assignment) Assignment {
	wanted := w.Assignment
	if w.KeepsTexts {
		wanted.Description, wanted.Condition, wanted.ConditionVersion = old.Description, old.Condition, old.ConditionVersion
	}
	return wanted
}
