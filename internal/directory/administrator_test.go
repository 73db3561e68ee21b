package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// withAdmins creates n users with the role of Global Administrator, and returns their ids.
func withAdmins(t testing.TB, n int) (*directory.Directory, []string) {
	t.Helper()
	d := newDirectory(t)
	var ids []string
	for i := range n {
		id := fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
		ids = append(ids, id)
		do(t, d, func(tx store.Tx) error {
			return errors.Join(
				d.CreateUser(tx, directory.User{ID: id, TenantID: tenant, UserPrincipalName: id + "@contoso.example", Enabled: true}, ""),
				d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, id))
		})
	}
	return d, ids
}

// enabledAdmins counts the enabled Global Administrators one by one.
func enabledAdmins(t testing.TB, d *directory.Directory) (n int) {
	t.Helper()
	_, err := view(t, d, func(tx store.Tx) (int, error) {
		n = 0
		ids, err := d.DirectoryRoleMembers(tx, tenant, directory.GlobalAdministrator, "", 0)
		for _, id := range ids {
			if at, err := d.TokenStatus(tx, tenant, id); err == nil && at.Enabled {
				n++
			}
		}
		return n, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// setEnabled enables or disables a user.
func setEnabled(d *directory.Directory, tx store.Tx, id string, enabled bool) error {
	u, err := d.User(tx, tenant, id)
	if err != nil {
		return err
	}
	u.Enabled = enabled
	return d.UpdateUser(tx, u)
}

// waysOut are the changes that remove or disable a Global Administrator.
func waysOut() map[string]func(d *directory.Directory, tx store.Tx, id string) error {
	return map[string]func(d *directory.Directory, tx store.Tx, id string) error{
		"role": func(d *directory.Directory, tx store.Tx, id string) error {
			return d.RemoveDirectoryRole(tx, tenant, directory.GlobalAdministrator, id)
		},
		"delete":  func(d *directory.Directory, tx store.Tx, id string) error { return d.DeleteUser(tx, tenant, id) },
		"disable": func(d *directory.Directory, tx store.Tx, id string) error { return setEnabled(d, tx, id, false) },
	}
}

func TestLastEnabledAdministratorCannotBeRemoved(t *testing.T) {
	for name, out := range waysOut() {
		t.Run(name, func(t *testing.T) {
			d, ids := withAdmins(t, 3)
			do(t, d, func(tx store.Tx) error { return out(d, tx, ids[0]) })
			do(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[1], false) })
			for last, try := range waysOut() {
				if err := update(t, d, func(tx store.Tx) error { return try(d, tx, ids[2]) }); !errors.Is(err, directory.ErrLastAdministrator) {
					t.Errorf("%s of the last one: %v", last, err)
				}
			}
			if n := enabledAdmins(t, d); n != 1 {
				t.Errorf("%d are left", n)
			}
			do(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[1], true) })
			do(t, d, func(tx store.Tx) error { return out(d, tx, ids[2]) })
		})
	}
}

// A disabled administrator does not count and can be removed.
func TestDisabledAdministratorCanBeRemoved(t *testing.T) {
	for _, name := range []string{"role", "delete"} {
		d, ids := withAdmins(t, 2)
		do(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[1], false) })
		do(t, d, func(tx store.Tx) error { return waysOut()[name](d, tx, ids[1]) })
		if err := update(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[0], false) }); !errors.Is(err, directory.ErrLastAdministrator) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrincipalsOfApplicationsAreCountedToo(t *testing.T) {
	d, ids := withAdmins(t, 1)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateApplication(tx, application()), d.CreateServicePrincipal(tx, principal()),
			d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, object))
	})
	do(t, d, func(tx store.Tx) error { return d.DeleteUser(tx, tenant, ids[0]) })
	for name, try := range map[string]func(tx store.Tx) error{
		"disable": func(tx store.Tx) error {
			p := principal()
			p.Enabled = false
			return d.UpdateServicePrincipal(tx, p)
		},
		"delete": func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, object) },
		"delete the application": func(tx store.Tx) error {
			_, err := d.DeleteApplication(tx, tenant, appOID)
			return err
		},
		"role": func(tx store.Tx) error {
			return d.RemoveDirectoryRole(tx, tenant, directory.GlobalAdministrator, object)
		},
	} {
		if err := update(t, d, try); !errors.Is(err, directory.ErrLastAdministrator) {
			t.Errorf("%s: %v", name, err)
		}
	}
	graph := directory.FirstPartyPrincipals(tenant)[0].ID
	if err := update(t, d, func(tx store.Tx) error {
		return d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, graph)
	}); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("Microsoft Graph as administrator: %v", err)
	}
}

// Concurrent changes of all kinds leave one administrator: all but one succeed.
func TestConcurrentRemovalsLeaveAnEnabledAdministrator(t *testing.T) {
	names := []string{"role", "delete", "disable"}
	for _, counted := range []bool{true, false} {
		d, ids := withAdmins(t, 12)
		if !counted {
			forgetCount(t, d)
		}
		var wg sync.WaitGroup
		errs := make([]error, len(ids))
		for i, id := range ids {
			wg.Go(func() {
				for errs[i] = store.ErrConflict; errors.Is(errs[i], store.ErrConflict); {
					_, errs[i] = d.Store.Update(t.Context(), func(tx store.Tx) error { return waysOut()[names[i%3]](d, tx, id) })
				}
			})
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if errors.Is(err, directory.ErrLastAdministrator) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if n := enabledAdmins(t, d); n != 1 || refused != 1 {
			t.Errorf("counted before: %v: %d are left, %d were refused", counted, n, refused)
		}
	}
}

// forgetCount removes the count, as in a store of an earlier version.
func forgetCount(t testing.TB, d *directory.Directory) {
	t.Helper()
	do(t, d, func(tx store.Tx) error { tx.Delete("d/" + tenant + "/administrators/"); return nil })
}

func TestAdministratorsAreCountedInOlderStores(t *testing.T) {
	d, ids := withAdmins(t, 150) // more than a transaction can guard
	do(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[0], false) })
	forgetCount(t, d)
	for _, id := range ids[2:] {
		do(t, d, func(tx store.Tx) error { return d.RemoveDirectoryRole(tx, tenant, directory.GlobalAdministrator, id) })
	}
	if err := update(t, d, func(tx store.Tx) error { return setEnabled(d, tx, ids[1], false) }); !errors.Is(err, directory.ErrLastAdministrator) {
		t.Errorf("the last of 150: %v", err)
	}
}

// managedIn creates a managed identity of a resource and makes it a Global Administrator.
func managedIn(t testing.TB, d *directory.Directory, id, resource string) {
	t.Helper()
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: id, AppID: "app-" + id, TenantID: tenant, Type: directory.TypeManagedIdentity, Enabled: true, ResourceID: resource,
		}), d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, id))
	})
}

func TestRemoveAdministrators(t *testing.T) {
	const group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
	const path = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
	inGroup := func(id arm.ID) bool { return strings.HasPrefix(id.String(), group) }
	d, ids := withAdmins(t, 1)
	managedIn(t, d, "mi1", path+"one")
	managedIn(t, d, "mi2", path+"two")
	managedIn(t, d, "far", strings.Replace(path, "/rg/", "/elsewhere/", 1)+"far")
	do(t, d, func(tx store.Tx) error { return d.RemoveAdministrators(tx, tenant, inGroup) })
	got, err := view(t, d, func(tx store.Tx) ([]string, error) {
		return d.DirectoryRoleMembers(tx, tenant, directory.GlobalAdministrator, "", 0)
	})
	if want := []string{ids[0], "far"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	managedIn2 := func(tx store.Tx) error {
		return d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, "mi1")
	}
	do(t, d, managedIn2)
	do(t, d, func(tx store.Tx) error { return d.DeleteUser(tx, tenant, ids[0]) })
	do(t, d, func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, "far") })
	if err := update(t, d, func(tx store.Tx) error { return d.RemoveAdministrators(tx, tenant, inGroup) }); !errors.Is(err, directory.ErrLastAdministrator) {
		t.Errorf("the last is a managed identity: %v", err)
	}
	d.CheckNotDeleting = func(store.Tx, arm.ID) error { return arm.Errorf(409, "ResourceGroupBeingDeleted", "x") }
	if err := update(t, d, func(tx store.Tx) error {
		return d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, "mi2")
	}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a role for an identity that is being deleted: %v", err)
	}
}

// A deletion that an earlier version has accepted is completed.
func TestCascadeDeletesTheLastAdministrator(t *testing.T) {
	d := newDirectory(t)
	managedIn(t, d, "mi", "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i")
	if err := update(t, d, func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, "mi") }); !errors.Is(err, directory.ErrLastAdministrator) {
		t.Fatal(err)
	}
	do(t, d, func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, "mi") })
	do(t, d, func(tx store.Tx) error { // and somebody can be made one again
		return errors.Join(d.CreateUser(tx, directory.User{ID: userID, TenantID: tenant, UserPrincipalName: "a@contoso.example", Enabled: true}, ""),
			d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, userID))
	})
	if err := update(t, d, func(tx store.Tx) error { return d.DeleteUser(tx, tenant, userID) }); !errors.Is(err, directory.ErrLastAdministrator) {
		t.Error(err)
	}
}
