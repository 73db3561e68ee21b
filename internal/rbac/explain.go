package rbac

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/rbac/action"
	"midas/internal/store"
)

// Bounds of an explanation, in assignments.
const (
	maxConsidered = 200
	maxNearMisses = 20
	maxExamined   = 1000 // index entries that are read to find near misses
)

// Explanation is a Decision with all assignments that have led to it.
type Explanation struct {
	Decision

	// Considered are the assignments that reach the scope, in the order of evaluation. NearMisses are
	// assignments whose role allows the action and whose scope does not reach.
	Considered, NearMisses []Considered

	// More says that there are more assignments than the bounds allow to list. The Decision is exact all the same.
	More bool
}

// Explain is Decide with its reasons. It decides by Decide, and gets the outcome of each assignment from the same
// functions, so that it cannot say other than what a request gets. It goes on where Decide stops, so it is slower.
func (s *Service) Explain(tx store.Tx, a Access) (x Explanation, err error) {
	if x.Decision, err = s.Decide(tx, a); err != nil {
		return Explanation{}, err
	}
	if !isASCII(a.Action) {
		return x, nil
	}
	err = s.effective(tx, a.Caller, a.Scope, func(g grant) (bool, error) {
		c, err := s.consider(tx, &a, g)
		if len(x.Considered) < maxConsidered || c.Ref == x.Assignment {
			x.Considered = append(x.Considered, c)
			return true, err
		}
		x.More = true
		return true, err
	})
	if err == nil {
		err = s.nearMisses(tx, &a, &x)
	}
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %s for %s: %w", a.Action, a.Caller.ObjectID, err)
	}
	return x, nil
}

// consider returns what a grant that reaches the scope gives to an access, and why.
func (s *Service) consider(tx store.Tx, a *Access, g grant) (Considered, error) {
	allowed, err := s.allows(tx, a, g)
	if err != nil {
		return Considered{}, err
	}
	c, r, err := s.describe(tx, a, g)
	switch {
	case err != nil:
		return Considered{}, err
	case allowed:
		c.Outcome = ActionAllowed
	case r == nil:
		c.Outcome = RoleMissing
	case c.Action == "":
		c.Outcome = ActionUnmatched
	case c.NotAction != "":
		c.Outcome = ActionExcluded
	default:
		c.Outcome = ConditionUnmet
	}
	return c, nil
}

// describe returns the assignment and the role of a grant, with the patterns that match the action.
func (s *Service) describe(tx store.Tx, a *Access, g grant) (Considered, *role, error) {
	c := Considered{Ref: g.ref()}
	full, err := load(tx, rowKey(g.scope, g.name))
	if err != nil {
		return c, nil, fmt.Errorf("read role assignment %s: %w", g.name, err)
	}
	c.At, c.Condition = full.Scope, full.Condition
	r, err := s.role(tx, a.Caller.TenantID, g.definition)
	if err != nil || r == nil {
		return c, nil, err
	}
	c.RoleName = r.RoleName
	c.Action, c.NotAction = r.matches(a.Action, a.Data)
	return c, r, nil
}

// nearMisses finds assignments of the caller whose role allows the action, and whose scope does not reach.
func (s *Service) nearMisses(tx store.Tx, a *Access, x *Explanation) error {
	e := evaluation{service: s, tx: tx, tenant: arm.Fold(a.Caller.TenantID), scope: a.Scope}
	e.visit = func(g grant) (bool, error) {
		c, r, err := s.describe(tx, a, g)
		if err != nil || r == nil || !r.allows(a.Action, a.Data) {
			return true, err
		}
		c.Outcome = ScopeElsewhere
		if len(x.NearMisses) == maxNearMisses {
			x.More = true
			return false, nil
		}
		x.NearMisses = append(x.NearMisses, c)
		return true, nil
	}
	examined := 0
	for _, id := range append([]string{a.Caller.ObjectID}, a.Caller.Groups...) {
		for rec, err := range tx.Scan(store.Range{Prefix: indexPrefix(id), Limit: maxExamined - examined}) {
			if err != nil {
				return err
			}
			examined++
			reached, err := e.reaches(indexScope(rec.Key))
			if err == nil && !reached {
				err = e.visitRecord(rec)
			}
			if err != nil {
				return err
			}
		}
		if examined >= maxExamined {
			x.More = true
			return nil
		}
	}
	return nil
}

// matches returns the pattern of the role that matches an action and the pattern that excludes it again, for the
// first permission that has both if no permission allows the action. Empty texts mean that none does.
func (r *role) matches(name string, data bool) (in, out string) {
	for _, p := range r.Permissions {
		actions, notActions := p.Actions, p.NotActions
		if data {
			actions, notActions = p.DataActions, p.NotDataActions
		}
		matched, excluded := firstMatch(actions, name), firstMatch(notActions, name)
		if matched != "" && excluded == "" {
			return matched, ""
		}
		if matched != "" && in == "" {
			in, out = matched, excluded
		}
	}
	return in, out
}

// firstMatch returns the first pattern that matches an action, which is folded; or empty.
func firstMatch(patterns []string, name string) string {
	for _, text := range patterns {
		if p := action.Compile(text); p.Match(name) {
			return text
		}
	}
	return ""
}
