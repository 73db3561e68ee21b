package rolelint

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/rbac"
)

// useOf is the key of a role in run.roles.
func useOf(tenant, role string) string { return arm.Fold(tenant) + "/" + arm.Fold(role) }

// uses records that somebody has a custom role.
func (r *run) uses(a rbac.Assignment, role rbac.Examined) {
	if key := useOf(a.TenantID, role.ID); role.Type != rbac.BuiltInRole && !r.roles[key] && len(r.roles) < maxRoles {
		r.roles[key] = true
	}
}

// unusedRoles reports the custom roles that nobody has: those without an assignment, and those whose assignments are
// all of principals that do not exist.
func (r *run) unusedRoles() error {
	seen := 0
	for d, err := range r.RBAC.AllCustomRoles(r.tx) {
		if err != nil {
			return err
		}
		if seen++; seen > maxRoles {
			r.more = true
			return nil
		}
		if r.roles[useOf(d.TenantID, d.ID)] {
			continue
		}
		f := Finding{Info, "role-unused", "/providers/Microsoft.Authorization/roleDefinitions/" + d.ID,
			fmt.Sprintf("Nobody has the custom role %s: no existing principal has an assignment of it.", d.RoleName)}
		if err := r.reports(f); err != nil {
			return err
		}
	}
	return nil
}
