package explain

import (
	"cmp"
	"fmt"
	"slices"

	"midas/internal/rbac"
	"midas/internal/rbac/condition"
)

// reasons says why the principal cannot send a request at all.
func (p Principal) reasons() []string {
	switch p.State {
	case Absent:
		return []string{fmt.Sprintf("The principal %s does not exist in the directory, so it gets no token.", p.ID)}
	case Disabled:
		return []string{fmt.Sprintf("The principal %s is disabled, so its tokens are refused.", p.ID)}
	}
	return nil
}

// reasonsOfLocks names the locks that refuse an action that RBAC allows.
func (a *Answer) reasonsOfLocks() (reasons []string) {
	for _, l := range a.Locks {
		reasons = append(reasons, fmt.Sprintf("The lock %s (%s) at %s refuses the action, whatever roles the principal has.", l.Name, l.Level, l.Scope))
	}
	return reasons
}

// reasonsOfRBAC says why RBAC allows or does not allow the action.
func (a *Answer) reasonsOfRBAC(q *Question, allowed bool) []string {
	x := a.Explanation
	switch {
	case allowed && q.AnyRole:
		return []string{"Azure Resource Manager allows this action to everyone who has a role in the subscription."}
	case x.Effect == rbac.Denied:
		return []string{fmt.Sprintf("The deny assignment %s denies the action, whatever roles the principal has.", a.DenyName)}
	case allowed:
		return []string{a.allowing()}
	case len(x.Considered) == 0:
		return append([]string{"The principal and its groups have no role assignment that reaches the scope."}, a.outOfReach()...)
	}
	return append([]string{a.lacking()}, a.outOfReach()...)
}

// allowing names the assignment that allows the action.
func (a *Answer) allowing() string {
	i := slices.IndexFunc(a.Explanation.Considered, func(c rbac.Considered) bool { return c.Ref == a.Explanation.Assignment })
	if i < 0 {
		return fmt.Sprintf("The role assignment %s allows the action.", a.Explanation.Assignment.Name)
	}
	c := a.Explanation.Considered[i]
	holder := ""
	if path := a.Paths[c.Principal]; len(path) > 0 {
		holder = " to the group " + cmp.Or(path[len(path)-1].Name, path[len(path)-1].ID)
	}
	return fmt.Sprintf("The role %s, assigned%s at %s, allows the action: it has %s.", c.RoleName, holder, c.At, c.Action)
}

// lacking says why none of the assignments that reach the scope allows the action: it names the one that comes nearest.
func (a *Answer) lacking() string {
	total := "1 role assignment reaches the scope, and it does not allow the action."
	if n := len(a.Explanation.Considered); n > 1 {
		total = fmt.Sprintf("%s reach the scope, and none of them allows the action.", a.counted(n, "role assignments", rbac.MaxConsidered))
	}
	for _, outcome := range []rbac.Outcome{rbac.ConditionUnmet, rbac.ActionExcluded, rbac.RoleMissing} {
		i := slices.IndexFunc(a.Explanation.Considered, func(c rbac.Considered) bool { return c.Outcome == outcome })
		if i >= 0 {
			return total + " " + nearest(a.Explanation.Considered[i])
		}
	}
	if len(a.Explanation.Considered) == 1 {
		return total + fmt.Sprintf(" Its role %s does not have it.", a.Explanation.Considered[0].RoleName)
	}
	return total + " None of their roles has it."
}

// nearest says what keeps an assignment from allowing the action.
func nearest(c rbac.Considered) string {
	switch {
	case c.Outcome == rbac.RoleMissing:
		return "The role of an assignment does not exist any more."
	case c.Outcome == rbac.ActionExcluded:
		return fmt.Sprintf("The role %s has the action by %s, but its notActions take it away by %s.", c.RoleName, c.Action, c.NotAction)
	case c.Evaluated == nil || c.Evaluated.Reason == "":
		return fmt.Sprintf("The role %s has the action, but the condition of the assignment is false.", c.RoleName)
	}
	return fmt.Sprintf("The role %s has the action, but the condition of the assignment %s: %s.", c.RoleName, is(c.Evaluated.Result), c.Evaluated.Reason)
}

// is makes a predicate of the result of a condition.
func is(result string) string {
	if result == condition.CannotEvaluate.String() {
		return result
	}
	return "is " + result
}

// counted is a number of things; "more than" it if there are more than were looked at.
func (a *Answer) counted(n int, things string, bound int) string {
	if a.Explanation.More && n >= bound {
		return fmt.Sprintf("More than %d %s", bound, things)
	}
	return fmt.Sprintf("%d %s", n, things)
}

// outOfReach mentions assignments at other scopes.
func (a *Answer) outOfReach() []string {
	switch n := len(a.Explanation.NearMisses); n {
	case 0:
		return nil
	case 1:
		return []string{fmt.Sprintf("1 role assignment would allow the action, but only at %s and below.", a.Explanation.NearMisses[0].At)}
	default:
		return []string{a.counted(n, "role assignments would allow the action, but only at other scopes.", rbac.MaxNearMisses)}
	}
}
