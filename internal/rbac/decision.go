package rbac

// Decision is the answer to an Access, with the assignment that decides.
type Decision struct {
	Effect     Effect
	Assignment Ref // the role assignment that allows the action; zero if none does
	Deny       Ref // the deny assignment that denies the action; zero if none does
}
