package rbac

import (
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// checkCustomRole checks that a custom role lies under the key of its id, has its name, and is counted.
func checkCustomRole(tx store.Tx, kept store.Record) error {
	d, err := customRoles.Decode(kept)
	if err != nil {
		return err
	}
	if customKey(d.TenantID, d.ID) != kept.Key {
		return fmt.Errorf("the key is not that of role %s", d.ID)
	}
	name, err := tx.Get(roleNameKey(d.TenantID, d.RoleName))
	if err != nil {
		return fmt.Errorf("read the record of the name %q: %w", d.RoleName, err)
	}
	if string(name.Value) != arm.Fold(d.ID) {
		return fmt.Errorf("the name %q belongs to %s", d.RoleName, name.Value)
	}
	if _, err := roleUses.Get(tx, roleUseKey(d.TenantID, d.ID)); err != nil {
		return fmt.Errorf("read the count of the assignments: %w", err)
	}
	return store.Exists(tx, "the count of the tenant's roles", customTallyKey(d.TenantID))
}

// checkRoleName checks that the record of a name has a role with this name.
func checkRoleName(tx store.Tx, kept store.Record) error {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(kept.Key, store.RoleNameIndex.Keys), "/")
	d, err := customRoles.Get(tx, customKey(tenant, string(kept.Value)))
	if err != nil {
		return err
	}
	if roleNameKey(d.TenantID, d.RoleName) != kept.Key {
		return fmt.Errorf("the role %s has the name %q", d.ID, d.RoleName)
	}
	return nil
}

// checkRoleCount checks the number of a tenant's custom roles.
func checkRoleCount(tx store.Tx, kept store.Record) error {
	tally, err := customTallies.Decode(kept)
	if err != nil {
		return err
	}
	tenant := strings.TrimPrefix(kept.Key, store.RoleCount.Keys)
	return countsTo(tx, store.CustomRoleKind.Keys+tenant+"/", tally.Roles)
}

// checkRoleUse checks the number of a custom role's assignments.
func checkRoleUse(tx store.Tx, kept store.Record) error {
	use, err := roleUses.Decode(kept)
	if err != nil {
		return err
	}
	tenant, guid, _ := strings.Cut(strings.TrimPrefix(kept.Key, store.RoleUseCount.Keys), "/")
	if _, err := tx.Get(customKey(tenant, guid)); err != nil {
		return err
	}
	return countsTo(tx, roleAssignmentPrefix(tenant, guid), use.Assignments)
}

// countsTo checks that so many keys have a prefix.
func countsTo(tx store.Tx, prefix string, want int) error {
	found := 0
	for _, err := range tx.Scan(store.Range{Prefix: prefix}) {
		if err != nil {
			return err
		}
		found++
	}
	if found != want {
		return fmt.Errorf("the count is %d, and there are %d", want, found)
	}
	return nil
}

// checkRoleEntry checks that an index entry has an assignment of its role.
func checkRoleEntry(tx store.Tx, kept store.Record) error {
	owner, rest, _ := strings.Cut(strings.TrimPrefix(kept.Key, store.RoleAssignmentIndex.Keys), "\x00")
	_, guid, _ := strings.Cut(owner, "/")
	at := strings.LastIndexByte(rest, 0)
	if at < 0 {
		return errors.New("the key has no assignment")
	}
	a, err := assignments.Get(tx, rowKey(rest[:at], rest[at+1:]))
	if err != nil {
		return err
	}
	if arm.Fold(a.DefinitionID) != guid {
		return fmt.Errorf("the assignment has the role %s", a.DefinitionID)
	}
	return nil
}

// checkUse checks that an assignment of a custom role has its index entry. The scope has the form of scopeKey.
func (a *Assignment) checkUse(tx store.Tx, scope string) error {
	switch _, err := tx.Get(roleUseKey(a.TenantID, a.DefinitionID)); {
	case errors.Is(err, store.ErrNotFound): // a built-in role
		return nil
	case err != nil:
		return err
	}
	key := roleAssignmentPrefix(a.TenantID, a.DefinitionID) + scope + "\x00" + arm.Fold(a.Name)
	if _, err := tx.Get(key); err != nil {
		return fmt.Errorf("read %q: %w", key, err)
	}
	return nil
}
