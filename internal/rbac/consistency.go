package rbac

import (
	"fmt"
	"iter"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies reads all assignments, custom roles and deny assignments, and what is stored about them. It yields
// an error for each assignment whose scope differs from that of its key, for each assignment without its index entry
// or its name record, and for each index entry without its assignment; for each custom role without its name or its
// count, and for each name that is left over; for deny assignments under a wrong key; and for each wrong count. It
// ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		if !denyInconsistencies(tx, yield) {
			return
		}
		for _, part := range []struct {
			prefix string
			check  func(store.Tx, store.Record) error
		}{
			{store.AssignmentKind.Keys, checkRow}, {store.AssignmentByPrincipalIndex.Keys, checkIndexEntry},
			{store.CustomRoleKind.Keys, checkCustomRole}, {store.RoleNameIndex.Keys, checkRoleName},
			{store.RoleCount.Keys, checkRoleCount}, {store.RoleUseCount.Keys, checkRoleUse}, {store.RoleAssignmentIndex.Keys, checkRoleEntry},
			{store.AssignmentCount.Keys, checkCount}, {store.AssignmentIndex.Keys, checkName},
		} {
			for kept, err := range tx.Scan(store.Range{Prefix: part.prefix}) {
				if err != nil {
					yield(err)
					return
				}
				if err := part.check(tx, kept); err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
					return
				}
			}
		}
	}
}

func checkRow(tx store.Tx, kept store.Record) error {
	given := store.Table[Assignment]{Kind: store.AssignmentKind} // without Complete, which corrects the scope
	a, err := given.Decode(kept)
	if err != nil {
		return err
	}
	if err := arm.CheckKey(a.Scope, scopeOf(kept.Key)); err != nil {
		return err
	}
	scope, err := arm.ParseID(a.Scope)
	if err != nil {
		return err
	}
	key := scopeKey(a.TenantID, scope)
	if rowKey(key, a.Name) != kept.Key {
		return fmt.Errorf("the key is not that of %s at %q", a.Name, a.Scope)
	}
	for _, other := range []string{indexKey(a.PrincipalID, key, a.DefinitionID), nameKey(a.TenantID, a.Name)} {
		if _, err := tx.Get(other); err != nil {
			return fmt.Errorf("read %q: %w", other, err)
		}
	}
	if err := checkCounted(tx, a.TenantID, scope); err != nil {
		return err
	}
	return a.checkUse(tx, key)
}

func checkIndexEntry(tx store.Tx, kept store.Record) error {
	a, err := assignmentOf(tx, kept)
	if err != nil {
		return err
	}
	scope, err := arm.ParseID(a.Scope)
	if err != nil {
		return err
	}
	if indexKey(a.PrincipalID, scopeKey(a.TenantID, scope), a.DefinitionID) != kept.Key {
		return fmt.Errorf("the index entry is not that of %s at %q", a.Name, a.Scope)
	}
	return nil
}
