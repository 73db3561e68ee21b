package explain

import (
	"fmt"
	"slices"

	"midas/internal/rbac"
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
		return []string{fmt.Sprintf("The deny assignment %s at %s denies the action, whatever roles the principal has.", x.Deny.Name, x.Deny.Scope)}
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
	return fmt.Sprintf("The role %s, assigned at %s, has the action %s.", c.RoleName, c.At, c.Action)
}

// lacking says why none of the assignments that reach the scope allows the action.
func (a *Answer) lacking() string {
	count := map[rbac.Outcome]int{}
	for _, c := range a.Explanation.Considered {
		count[c.Outcome]++
	}
	total := len(a.Explanation.Considered)
	switch {
	case count[rbac.ConditionUnmet] > 0:
		return fmt.Sprintf("Of %d role assignments that reach the scope, %d would allow the action if its condition were true.", total, count[rbac.ConditionUnmet])
	case count[rbac.ActionExcluded] > 0:
		return fmt.Sprintf("Of %d role assignments that reach the scope, none allows the action; a not-action excludes it from %d of the roles.", total, count[rbac.ActionExcluded])
	}
	return fmt.Sprintf("Of %d role assignments that reach the scope, none has a role with the action.", total)
}

// outOfReach mentions assignments at other scopes.
func (a *Answer) outOfReach() []string {
	if n := len(a.Explanation.NearMisses); n > 0 {
		return []string{fmt.Sprintf("%d role assignments would allow the action, but at scopes that do not reach this one.", n)}
	}
	return nil
}
