package rbac_test

import (
	"testing"

	"midas/internal/rbac"
	"midas/internal/store"
)

// mayAssignRoles calls MayAssignRoles in a view of the store.
func (b *bench) mayAssignRoles(t testing.TB, tenant string, principals ...string) (may bool) {
	t.Helper()
	err := b.Store.View(t.Context(), func(tx store.Tx) (err error) {
		may, err = b.MayAssignRoles(tx, tenant, principals)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return may
}

// Exactly the built-in roles that allow writing role assignments count, at every kind of scope.
func TestRolesThatMayAssignRoles(t *testing.T) {
	may := map[string]bool{"Owner": true, "User Access Administrator": true, "Role Based Access Control Administrator": true}
	for _, role := range rbac.Definitions() {
		for _, scope := range []string{"/", sub, rg1, app} {
			b := newBench(t)
			b.assign(t, alice, role.ID, scope)
			if got := b.mayAssignRoles(t, tenant, alice); got != may[role.RoleName] {
				t.Errorf("%s at %s: %v", role.RoleName, scope, got)
			}
			if b.mayAssignRoles(t, tenant, bob) || b.mayAssignRoles(t, foreign, alice) || b.mayAssignRoles(t, tenant) {
				t.Errorf("%s at %s counts for another principal or tenant", role.RoleName, scope)
			}
		}
	}
}

func TestRightToAssignRolesIsFoundThroughGroupsAndAmongMany(t *testing.T) {
	b := newBench(t)
	for i := range 200 { // more roles at other scopes than one scan reads
		b.assign(t, alice, reader, rg1+"/providers/Contoso.Apps/jobs/"+guid(i))
	}
	if b.mayAssignRoles(t, tenant, alice) {
		t.Error("a Reader may assign roles")
	}
	b.assign(t, team, accessAdmin, rg10)
	if !b.mayAssignRoles(t, tenant, alice, team) {
		t.Error("a member of a group with the right may not assign roles")
	}
	b.assign(t, alice, owner, sub2)
	if !b.mayAssignRoles(t, tenant, alice) {
		t.Error("an Owner with many other roles may not assign roles")
	}
}
