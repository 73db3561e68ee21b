package rbac

import (
	"iter"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// AllAssignments iterates over the role assignments of all tenants, in the order of their scopes. It ends after an
// error.
func (s *Service) AllAssignments(tx store.Tx) iter.Seq2[Assignment, error] {
	return func(yield func(Assignment, error) bool) {
		for rec, err := range tx.Scan(store.Range{Prefix: store.AssignmentKind.Keys}) {
			var a Assignment
			if err == nil {
				a, err = assignments.Decode(rec)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

// AllCustomRoles iterates over the custom roles of all tenants, in the order of their keys. It ends after an error.
func (s *Service) AllCustomRoles(tx store.Tx) iter.Seq2[Definition, error] {
	return func(yield func(Definition, error) bool) {
		for rec, err := range tx.Scan(store.Range{Prefix: store.CustomRoleKind.Keys}) {
			var d Definition
			if err == nil {
				d, err = customRoles.Decode(rec)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Examined is a role as those see it who examine assignments without a request.
type Examined struct {
	Definition
	compiled *role
}

// Examine returns the role of an assignment; found is false if it does not exist.
func (s *Service) Examine(tx store.Tx, a Assignment) (r Examined, found bool, err error) {
	compiled, err := s.role(tx, arm.Fold(a.TenantID), arm.Fold(a.DefinitionID))
	if err != nil || compiled == nil {
		return Examined{}, false, err
	}
	return Examined{compiled.Definition, compiled}, true, nil
}

// Allows reports whether the role has an action of the control plane, which is folded.
func (r Examined) Allows(action string) bool { return r.compiled.allows(action, false) }

// Covers reports whether the role has all that another role has, as far as their patterns tell: each pattern of the
// other is matched by one of the role's, and none of the role's not-actions takes from it.
func (r Examined) Covers(other Examined) bool {
	if arm.SameName(r.ID, other.ID) {
		return true
	}
	covers := func(in, out, wanted []string) bool {
		return !slices.ContainsFunc(wanted, func(w string) bool {
			w = arm.Fold(w)
			taken := slices.ContainsFunc(out, func(o string) bool {
				return firstMatch([]string{o}, w) != "" || firstMatch([]string{w}, arm.Fold(o)) != ""
			})
			return firstMatch(in, w) == "" || taken
		})
	}
	for _, theirs := range other.Permissions {
		if !slices.ContainsFunc(r.Permissions, func(p Permission) bool {
			return covers(p.Actions, p.NotActions, theirs.Actions) && covers(p.DataActions, p.NotDataActions, theirs.DataActions)
		}) {
			return false
		}
	}
	return true
}

// Reaches reports whether an assignment applies at a scope of its tenant.
func (s *Service) Reaches(tx store.Tx, a Assignment, scope arm.ID) (bool, error) {
	at, err := arm.ParseID(a.Scope)
	if err != nil {
		return false, nil // it was parsed before it was stored, and grants nothing now
	}
	e := evaluation{service: s, tx: tx, tenant: a.TenantID, scope: scope}
	return e.reaches(at.Key())
}
