package rbac

import (
	"slices"

	"midas/internal/rbac/action"
	"midas/internal/rbac/condition"
)

// role is a definition with compiled patterns.
type role struct {
	Definition
	allow       []allowance
	conditional bool // a permission has a condition
}

// allowance is a compiled permission.
type allowance struct {
	control, data actionSet
	conditional   bool
	condition     *condition.Condition // nil if there is none, or if it cannot be evaluated
}

// contains reports whether the permission has an action that is folded.
func (a *allowance) contains(wanted string, data bool) bool {
	if data {
		return a.data.contains(wanted)
	}
	return a.control.contains(wanted)
}

// outcome returns what the condition of the permission evaluates to; True if there is none.
func (a *allowance) outcome(q condition.Query) condition.Outcome {
	switch {
	case !a.conditional:
		return condition.True
	case a.condition == nil:
		return condition.CannotEvaluate
	}
	return a.condition.Evaluate(q).Outcome
}

// actionSet has the actions that some patterns match and no others do.
type actionSet struct{ in, out []action.Pattern }

func (a *actionSet) contains(wanted string) bool {
	return matchAny(a.in, wanted) && !matchAny(a.out, wanted)
}

// compileRole compiles the patterns of a definition. A permission with an invalid pattern allows nothing.
func compileRole(d Definition) *role {
	r := &role{Definition: d}
	for _, p := range d.Permissions {
		all := slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions)
		if slices.ContainsFunc(all, func(p string) bool { return action.Check(p) != nil }) {
			continue // without one of its not-actions, a permission would allow more than it says
		}
		compiled := allowance{
			control:     actionSet{compileAll(p.Actions), compileAll(p.NotActions)},
			data:        actionSet{compileAll(p.DataActions), compileAll(p.NotDataActions)},
			conditional: p.Condition != "",
		}
		if compiled.conditional {
			r.conditional = true
			if parsed, err := condition.Parse(p.Condition); err == nil {
				compiled.condition = parsed
			}
		}
		r.allow = append(r.allow, compiled)
	}
	return r
}

func compileAll(patterns []string) []action.Pattern {
	compiled := make([]action.Pattern, len(patterns))
	for i, p := range patterns {
		compiled[i] = action.Compile(p)
	}
	return compiled
}

// allows reports whether the role allows an action that is already folded, if its conditions are true. data tells
// that it is an action of the data plane.
func (r *role) allows(wanted string, data bool) bool {
	for i := range r.allow {
		if r.allow[i].contains(wanted, data) {
			return true
		}
	}
	return false
}

// outcome returns what the conditions of the permissions that have an action evaluate to: True if one of them is
// true, CannotEvaluate if that depends on one that cannot be evaluated.
func (r *role) outcome(q condition.Query) condition.Outcome {
	outcome := condition.False
	for i := range r.allow {
		if !r.allow[i].contains(q.Action, q.Data) {
			continue
		}
		switch r.allow[i].outcome(q) {
		case condition.True:
			return condition.True
		case condition.CannotEvaluate:
			outcome = condition.CannotEvaluate
		}
	}
	return outcome
}

func matchAny(patterns []action.Pattern, wanted string) bool {
	for i := range patterns {
		if patterns[i].Match(wanted) {
			return true
		}
	}
	return false
}
