package rbac

import (
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Visible reports whether the caller has a role at a scope, above it or below it. Such a caller may see that
// the scope exists: as in Azure, a role anywhere in a subscription makes the subscription visible.
func (s *Service) Visible(tx store.Tx, caller Caller, scope arm.ID) (bool, error) {
	visible, err := s.visible(tx, caller, scope)
	if err != nil {
		return false, fmt.Errorf("see %s as %s: %w", scope, caller.ObjectID, err)
	}
	return visible, nil
}

func (s *Service) visible(tx store.Tx, caller Caller, scope arm.ID) (visible bool, err error) {
	visit := func(g grant) (bool, error) {
		r, err := s.role(tx, caller.TenantID, g.definition)
		visible = err == nil && r != nil && !g.conditional
		return !visible, err
	}
	if err := s.effective(tx, caller, scope, visit); err != nil || visible {
		return visible, err
	}
	e := evaluation{service: s, tx: tx, tenant: arm.Fold(caller.TenantID), visit: visit}
	if err := e.below(caller.ObjectID, scope); err != nil {
		return false, err
	}
	for _, group := range caller.Groups {
		if err := e.below(group, scope); err != nil {
			return false, err
		}
	}
	return visible, nil
}

// below visits the role assignments of a principal below a scope, a few at a time, until visit returns false.
func (e *evaluation) below(id string, scope arm.ID) error {
	if id == "" {
		return nil
	}
	r := store.Range{Prefix: indexPrefix(id) + strings.TrimSuffix(scope.Key(), "/") + "/", Limit: few}
	for n := few; n == few && !e.done; {
		n = 0
		for rec, err := range e.tx.Scan(r) {
			if err != nil {
				return err
			}
			n++
			r.After = rec.Key
			if err := e.visitRecord(rec); err != nil {
				return err
			}
		}
	}
	return nil
}
