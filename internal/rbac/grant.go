package rbac

import (
	"errors"

	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// grant is a role assignment as the evaluation sees it. Its texts are folded.
type grant struct {
	principal  string
	scope      string // in the form of scopeKey
	base       string // the key of the scope: scope without the tenant
	definition string
	name       string

	role        *role // nil if the tenant has no such role: the grant allows nothing
	conditional bool
	condition   *condition.Condition // nil if there is none, or if it cannot be evaluated
}

// ref returns the name of the grant's assignment.
func (g *grant) ref() Ref {
	return Ref{Name: g.name, Scope: g.base, Role: g.definition, Principal: g.principal}
}

// outcome returns what the conditions of the grant and of its role evaluate to, together, for an action that the
// role allows if they are true. Only True allows it.
func (g *grant) outcome(q condition.Query) condition.Outcome {
	outcome := g.role.outcome(q)
	switch {
	case !g.conditional || outcome == condition.False:
		return outcome
	case g.condition == nil:
		return condition.CannotEvaluate
	}
	if own := g.condition.Evaluate(q).Outcome; own == condition.False || outcome == condition.True {
		return own
	}
	return outcome
}

// holds reports whether the grant's own condition is true.
func (g *grant) holds(q condition.Query) bool {
	return g.condition != nil && g.condition.Evaluate(q).Outcome == condition.True
}

// complete adds to a grant what is not in its index entry: the role and the condition.
func (s *Service) complete(tx store.Tx, tenant string, g *grant) (err error) {
	if g.role, err = s.role(tx, tenant, g.definition); err != nil || !g.conditional {
		return err
	}
	rec, err := tx.Get(rowKey(g.scope, g.name))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a, err := assignments.Decode(rec)
	if err != nil || a.Condition == nil {
		return nil // a condition that cannot be read cannot be evaluated
	}
	if parsed, err := condition.Parse(*a.Condition); err == nil {
		g.condition = parsed
	}
	return nil
}
