package rbac

import (
	"slices"

	"midas/internal/arm"
	"midas/internal/rbac/action"
	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// deny is a compiled deny assignment.
type deny struct {
	DenyAssignment
	key         string // of the record
	scope       string // the key of the scope, without the tenant
	permissions []denial
	condition   *limit
}

// denial is a compiled permission of a deny assignment.
type denial struct {
	control, data actionSet
	condition     *limit
}

// contains reports whether the permission has the action of an access.
func (p *denial) contains(a *Access) bool {
	if a.Data {
		return p.data.contains(a.Action)
	}
	return p.control.contains(a.Action)
}

// limit is a condition of a deny assignment. Its condition is nil if the stored text cannot be parsed.
type limit struct{ condition *condition.Condition }

func compileDeny(key string, a DenyAssignment) *deny {
	d := &deny{DenyAssignment: a, key: key, scope: denyScopeOf(key), condition: compileLimit(a.Condition)}
	for _, p := range a.Permissions {
		d.permissions = append(d.permissions, denial{
			control: compileDenied(p.Actions, p.NotActions), data: compileDenied(p.DataActions, p.NotDataActions),
			condition: compileLimit(p.Condition),
		})
	}
	return d
}

// compileDenied compiles patterns. A pattern that cannot be understood denies all actions, and excepts none.
func compileDenied(in, out []string) actionSet {
	invalid := func(p string) bool { return action.Check(p) != nil }
	if slices.ContainsFunc(in, invalid) {
		in = []string{"*"}
	}
	return actionSet{compileAll(in), compileAll(slices.DeleteFunc(slices.Clone(out), invalid))}
}

func compileLimit(text *string) *limit {
	if text == nil {
		return nil
	}
	parsed, err := condition.Parse(*text)
	if err != nil {
		return &limit{}
	}
	return &limit{parsed}
}

// ref names the deny assignment.
func (d *deny) ref() Ref {
	return Ref{Name: arm.Fold(d.Name), Scope: d.scope, Principal: d.Principals[0].ID}
}

// concerns reports whether the deny assignment applies to a caller.
func (d *deny) concerns(c *Caller) bool {
	is := func(p DenyPrincipal) bool {
		return p.IsEveryone() || arm.SameName(p.ID, c.ObjectID) || slices.ContainsFunc(c.Groups, func(g string) bool { return arm.SameName(g, p.ID) })
	}
	return slices.ContainsFunc(d.Principals, is) && !slices.ContainsFunc(d.ExcludePrincipals, is)
}

// isConditional reports whether the deny assignment or one of its permissions has a condition.
func (d *deny) isConditional() bool {
	return d.condition != nil || slices.ContainsFunc(d.permissions, func(p denial) bool { return p.condition != nil })
}

// mayDeny reports whether the deny assignment denies the action of an access at some scope, if its conditions hold.
func (d *deny) mayDeny(a *Access) bool {
	return d.concerns(&a.Caller) && slices.ContainsFunc(d.permissions, func(p denial) bool { return p.contains(a) })
}

// denies reports whether the deny assignment, which applies at the scope, denies an access.
func (d *deny) denies(s *Service, a *Access) bool {
	if !d.concerns(&a.Caller) {
		return false
	}
	for i := range d.permissions {
		p := &d.permissions[i]
		if p.contains(a) && p.condition.holds(s, a) && d.condition.holds(s, a) {
			return true
		}
	}
	return false
}

// holds reports whether the condition may be true: a deny assignment whose condition cannot be evaluated denies, unless
// the access is decided again when its attributes are known.
func (l *limit) holds(s *Service, a *Access) bool {
	if l == nil || l.condition == nil {
		return true
	}
	switch l.condition.Evaluate(a.query(s.Now())).Outcome {
	case condition.True:
		return true
	case condition.CannotEvaluate:
		return !a.Undecided
	}
	return false
}

// reachesDown reports whether the deny assignment applies at a scope at or below its own.
func (d *deny) reachesDown(key string) bool { return !d.DoNotApplyToChildScopes || d.scope == key }

// denying returns the first deny assignment with an effect that denies an access, or nil. The set is that of the caller's tenant.
func (s *Service) denying(tx store.Tx, set *denySet, a *Access, effect DenyEffect) (*deny, error) {
	if set == nil || mayNotBeDenied(a) {
		return nil, nil
	}
	key := a.Scope.Key()
	first := func(scope string) *deny {
		at := set.at[scope]
		if at == nil {
			return nil
		}
		for d := range at.candidates(&a.Caller) {
			if d.Effect == effect && d.reachesDown(key) && d.denies(s, a) {
				return d
			}
		}
		return nil
	}
	for up := range a.Scope.Ancestors() {
		if d := first(up.Key()); d != nil {
			return d, nil
		}
	}
	if !set.groups || s.Above == nil {
		return nil, nil
	}
	above, err := s.Above(tx, a.Caller.TenantID, a.Scope)
	if err != nil {
		return nil, err
	}
	for _, group := range above {
		if d := first(group.Key()); d != nil {
			return d, nil
		}
	}
	return nil, nil
}
