package rbac

// Decision is the answer to an Access, with the assignment that decides.
type Decision struct {
	Effect     Effect
	Assignment Ref // the role assignment that allows the action, if no deny assignment denies it; zero if none does
	Audit      Ref // the deny assignment with the effect Audit that would deny the action; zero if none would
	Deny       Ref // the deny assignment that denies the action; zero if none does

	// Conditional means that a role of the caller would allow the action, but its condition is false or cannot be
	// evaluated. If the effect is Allowed, it is so only because of Access.Undecided.
	Conditional bool
}
