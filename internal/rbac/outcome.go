package rbac

// Outcome says what an assignment gives to an access.
type Outcome string

// The outcomes.
const (
	ActionAllowed   Outcome = "Allows"
	ActionUnmatched Outcome = "ActionNotMatched"    // no action of the role matches
	ActionExcluded  Outcome = "ExcludedByNotAction" // an action of the role matches, and a not-action does, too
	ConditionUnmet  Outcome = "ConditionNotMet"     // the condition is false or cannot be evaluated
	RoleMissing     Outcome = "RoleDoesNotExist"
	ScopeElsewhere  Outcome = "ScopeDoesNotReach" // the role allows the action, and the scope is another
)
