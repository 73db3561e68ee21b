package rbac

import (
	"iter"

	"midas/internal/arm"
)

// denyScope has the compiled deny assignments at one scope.
type denyScope struct {
	all []*deny            // in the order of their keys
	of  map[string][]*deny // by the id of their principal
}

func (s *denyScope) add(d *deny) {
	s.all = append(s.all, d)
	for _, p := range d.Principals { // exactly one
		id := arm.Fold(p.ID)
		s.of[id] = append(s.of[id], d)
	}
}

// candidates yields the deny assignments that may apply to a caller. Most of many are for other principals, so they are
// looked up by the caller's ids if these are fewer.
func (s *denyScope) candidates(c *Caller) iter.Seq[*deny] {
	return func(yield func(*deny) bool) {
		if len(s.all) <= len(c.Groups)+2 {
			yieldAll(s.all, yield)
			return
		}
		if !yieldAll(s.of[EveryonePrincipal], yield) || !yieldAll(s.of[arm.Fold(c.ObjectID)], yield) {
			return
		}
		for _, group := range c.Groups {
			if !yieldAll(s.of[arm.Fold(group)], yield) {
				return
			}
		}
	}
}

func yieldAll(list []*deny, yield func(*deny) bool) bool {
	for _, d := range list {
		if !yield(d) {
			return false
		}
	}
	return true
}
