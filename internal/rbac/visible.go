package rbac

import (
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// seeScope is the action that decides whether a deny assignment or a condition hides a scope.
const seeScope = "microsoft.resources/subscriptions/read"

// Visible reports whether the caller has a role at a scope, above it or below it. Such a caller may see that
// the scope exists: as in Azure, a role anywhere in a subscription makes the subscription visible, whatever its
// actions are. A role whose condition is not true for reading the subscription does not, and nothing does if a
// deny assignment denies that.
func (s *Service) Visible(tx store.Tx, caller Caller, scope arm.ID) (bool, error) {
	visible, err := s.visible(tx, &Access{Caller: caller, Action: seeScope, Scope: scope})
	if err != nil {
		return false, fmt.Errorf("see %s as %s: %w", scope, caller.ObjectID, err)
	}
	return visible, nil
}

func (s *Service) visible(tx store.Tx, a *Access) (visible bool, err error) {
	if denied, err := s.denied(tx, a); denied || err != nil {
		return false, err
	}
	seen := func(g *grant) bool { return g.role != nil && (!g.conditional || g.holds(a.query(s.Now()))) }
	found, err := s.effective(tx, &a.Caller, a.Scope, nil)
	if err != nil || slices.ContainsFunc(found, seen) {
		return err == nil, err
	}
	err = s.grantsBelow(tx, &a.Caller, a.Scope, func(g *grant) (more bool) {
		visible = seen(g)
		return !visible
	})
	return visible, err
}
