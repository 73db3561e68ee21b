package rbac

import (
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/rbac/action"
	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// Bounds of an explanation, in assignments.
const (
	MaxConsidered = 200
	MaxNearMisses = 20
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
	found, err := s.effective(tx, &a.Caller, a.Scope, nil)
	for _, g := range found {
		if len(x.Considered) >= MaxConsidered && g.ref() != x.Assignment {
			x.More = true
			continue
		}
		var c Considered
		if c, err = s.consider(tx, &a, g); err != nil {
			break
		}
		x.Considered = append(x.Considered, c)
	}
	if err == nil {
		err = s.nearMisses(tx, &a, &x)
	}
	if err != nil {
		return Explanation{}, fmt.Errorf("explain %s for %s: %w", a.Action, a.Caller.ObjectID, err)
	}
	return x, nil
}

// consider returns what a grant that reaches the scope gives to an access, and why.
func (s *Service) consider(tx store.Tx, a *Access, g *grant) (Considered, error) {
	c, err := s.describe(tx, a, g)
	if err != nil {
		return Considered{}, err
	}
	var d Decision
	s.weigh(&d, a, g)
	switch {
	case d.Effect == Allowed:
		c.Outcome = ActionAllowed
	case g.role == nil:
		c.Outcome = RoleMissing
	case c.Action == "":
		c.Outcome = ActionUnmatched
	case c.NotAction != "":
		c.Outcome = ActionExcluded
	default:
		c.Outcome = ConditionUnmet
	}
	if g.conditional && c.Action != "" && c.NotAction == "" {
		c.Evaluated = g.evaluated(a.query(s.Now()))
	}
	return c, nil
}

// evaluated returns what the condition of the grant evaluates to, and each of its terms with the values it has read.
func (g *grant) evaluated(q condition.Query) *Evaluated {
	if g.condition == nil {
		return &Evaluated{Result: condition.CannotEvaluate.String(), Reason: "it is not a condition of the language"}
	}
	result, terms := g.condition.Trace(q)
	e := &Evaluated{Result: result.Outcome.String(), Reason: result.Reason()}
	for _, t := range terms {
		part := EvaluatedPart{Text: t.Text, Result: t.Outcome.String()}
		for _, attribute := range t.Attributes {
			values := make([]string, len(attribute.Values))
			for i, v := range attribute.Values {
				values[i] = v.String()
			}
			if len(values) == 0 {
				part.Values = append(part.Values, attribute.Name+" is absent")
				continue
			}
			part.Values = append(part.Values, attribute.Name+" = {"+strings.Join(values, ", ")+"}")
		}
		e.Parts = append(e.Parts, part)
	}
	return e
}

// describe returns the assignment and the role of a grant, with the patterns that match the action.
func (s *Service) describe(tx store.Tx, a *Access, g *grant) (Considered, error) {
	c := Considered{Ref: g.ref()}
	full, err := load(tx, rowKey(g.scope, g.name))
	if err != nil {
		return c, fmt.Errorf("read role assignment %s: %w", g.name, err)
	}
	c.At, c.Condition = full.Scope, full.Condition
	if g.role != nil {
		c.RoleName = g.role.RoleName
		c.Action, c.NotAction = g.role.matches(a.Action, a.Data)
	}
	return c, nil
}

// nearMisses finds assignments of the caller whose role allows the action, and whose scope does not reach.
func (s *Service) nearMisses(tx store.Tx, a *Access, x *Explanation) error {
	e := evaluation{service: s, tx: tx, tenant: a.Caller.TenantID, scope: a.Scope}
	r := grantReader{service: s, tx: tx, tenant: arm.Fold(a.Caller.TenantID)}
	examined := 0
	for _, id := range append([]string{a.Caller.ObjectID}, a.Caller.Groups...) {
		for rec, err := range tx.Scan(store.Range{Prefix: indexPrefix(id), Limit: maxExamined - examined}) {
			if err != nil {
				return err
			}
			examined++
			g, ok, err := r.grant(rec)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if more, err := s.nearMiss(&e, a, &g, x); err != nil || !more {
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

// nearMiss adds a grant to the near misses if it is one. It returns false if there are enough.
func (s *Service) nearMiss(e *evaluation, a *Access, g *grant, x *Explanation) (more bool, err error) {
	if reached, err := e.reaches(g.base); err != nil || reached || g.role == nil || !g.role.allows(a.Action, a.Data) {
		return err == nil, err
	}
	if len(x.NearMisses) == MaxNearMisses {
		x.More = true
		return false, nil
	}
	c, err := s.describe(e.tx, a, g)
	c.Outcome = ScopeElsewhere
	x.NearMisses = append(x.NearMisses, c)
	return err == nil, err
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
