package rbac

import (
	"midas/internal/arm"
	"midas/internal/store"
)

// Allows reports whether a definition allows a folded action.
func Allows(d Definition, action string) bool { return compileRole(d).allows(action, false) }

// WriteCustomRole writes the records of a custom role, but not the count of the tenant.
func WriteCustomRole(tx store.Tx, d Definition) error {
	if err := roleUses.Put(tx, roleUseKey(d.TenantID, d.ID), roleUse{}); err != nil {
		return err
	}
	tx.Put(roleNameKey(d.TenantID, d.RoleName), []byte(arm.Fold(d.ID)))
	return customRoles.Put(tx, customKey(d.TenantID, d.ID), d)
}

// WriteCustomCount writes the number of a tenant's custom roles.
func WriteCustomCount(tx store.Tx, tenant string, n int) error {
	return customTallies.Put(tx, customTallyKey(tenant), customTally{Roles: n})
}
