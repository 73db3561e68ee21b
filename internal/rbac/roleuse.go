package rbac

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// roleUse is the count record of a custom role: how many assignments it has. It exists as long as the role.
// Every assignment of the role reads and writes it, so a role cannot be deleted, or lose an assignable scope,
// while it is being assigned. Built-in roles have none.
type roleUse struct {
	Assignments int `json:"assignments"`
}

var roleUses = store.Table[roleUse]{Kind: store.RoleUseCount}

func roleUseKey(tenant, guid string) string {
	return store.RoleUseCount.Keys + arm.Fold(tenant) + "/" + arm.Fold(guid)
}

// roleAssignmentPrefix is the prefix of the index entries of a custom role's assignments. The rest of a key is
// <scope>\x00<name of the assignment>, with the scope in the form of scopeKey.
func roleAssignmentPrefix(tenant, guid string) string {
	return store.RoleAssignmentIndex.Keys + arm.Fold(tenant) + "/" + arm.Fold(guid) + "\x00"
}

// addUse writes the index entry and the count of an assignment, if its role is a custom role.
func (a *Assignment) addUse(tx store.Tx, scope string) error {
	counted, err := a.countUse(tx, 1)
	if counted {
		tx.Put(roleAssignmentPrefix(a.TenantID, a.DefinitionID)+scope+"\x00"+arm.Fold(a.Name), []byte(a.Name))
	}
	return err
}

// dropUse is the reverse of addUse.
func (a *Assignment) dropUse(tx store.Tx, scope string) error {
	counted, err := a.countUse(tx, -1)
	if counted {
		tx.Delete(roleAssignmentPrefix(a.TenantID, a.DefinitionID) + scope + "\x00" + arm.Fold(a.Name))
	}
	return err
}

func (a *Assignment) countUse(tx store.Tx, n int) (counted bool, err error) {
	key := roleUseKey(a.TenantID, a.DefinitionID)
	use, err := roleUses.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count the assignments of role %s: %w", a.DefinitionID, err)
	}
	use.Assignments += n
	return true, roleUses.Put(tx, key, use)
}

// checkAssigned refuses a change of a role whose assignable scopes do not cover all its assignments, also if they did not
// cover them before: when a subscription is moved out of a management group, or the group is deleted, assignments of the
// group's roles stay in the subscription. Who may write the role at its assignable scopes has no right there, and must
// not change what the assignments allow. The count record guards the scan of the assignments, because every assignment
// of the role writes it.
func (s *Service) checkAssigned(tx store.Tx, old, d Definition) error {
	use, err := roleUses.Get(tx, roleUseKey(old.TenantID, old.ID))
	if err != nil {
		return fmt.Errorf("count the assignments of role %s: %w", old.ID, err)
	}
	if use.Assignments == 0 {
		return nil
	}
	if err := s.guardHierarchy(tx, d); err != nil {
		return err
	}
	return store.Unguarded(tx, func(tx store.Tx) error { return s.checkCovered(tx, old, d) })
}

// guardHierarchy makes the transaction conflict with one that moves a subscription or a management group.
func (s *Service) guardHierarchy(tx store.Tx, d Definition) error {
	if s.Above == nil {
		return nil
	}
	scope, err := arm.ParseID(d.AssignableScopes[0])
	if err == nil {
		_, err = s.Above(tx, d.TenantID, scope)
	}
	return err
}

func (s *Service) checkCovered(tx store.Tx, old, d Definition) error {
	prefix := roleAssignmentPrefix(old.TenantID, old.ID)
	for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
		if err != nil {
			return err
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(rec.Key, prefix), "\x00")
		scope, err := arm.ParseID(text)
		if err != nil {
			return fmt.Errorf("assignment at %q: %w", text, err)
		}
		covered, err := s.assignable(tx, d, scope)
		if err != nil {
			return err
		}
		if !covered {
			return s.errScopeRemoved(tx, old, scope)
		}
	}
	return nil
}

// errScopeRemoved names the assignable scope through which an assignment was possible. If it is not possible at present,
// the error does not name the assignment's scope, because the caller may have no right to know it.
func (s *Service) errScopeRemoved(tx store.Tx, old Definition, scope arm.ID) error {
	removed := ""
	for _, text := range old.AssignableScopes {
		one := old
		one.AssignableScopes = []string{text}
		if covered, err := s.assignable(tx, one, scope); err == nil && covered {
			removed = text
		}
	}
	if removed == "" {
		return refusal(http.StatusBadRequest, "RoleScopeBeingRemovedContainsAssignments",
			"The role has assignments at scopes that are not below its assignable scopes. Delete these assignments, or add their scopes to the role, before changing the role.")
	}
	return refusal(http.StatusBadRequest, "RoleScopeBeingRemovedContainsAssignments",
		"Role assignments found under scope '%s' which is being removed. Removing this scope from the role will orphan these assignments. "+
			"Delete these assignments before removing the scope.", removed)
}
