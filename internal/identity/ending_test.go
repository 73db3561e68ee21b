package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/identity"
	"midas/internal/store"
)

// administrated returns a service that is wired as in the server: deletions check Global Administrators.
func administrated(t testing.TB) *identity.Service {
	s := newService(t)
	s.Resources.Ending, s.Directory.CheckNotDeleting = s.Ending, s.Resources.CheckNotDeletingWithAncestors
	return s
}

func makeAdmin(t testing.TB, s *identity.Service, oid string) error {
	t.Helper()
	_, err := s.Store.Update(t.Context(), func(tx store.Tx) error {
		return s.Directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, oid)
	})
	return err
}

func admins(t testing.TB, s *identity.Service) (ids []string) {
	t.Helper()
	err := s.Store.View(t.Context(), func(tx store.Tx) (err error) {
		ids, err = s.Directory.DirectoryRoleMembers(tx, tenant, directory.GlobalAdministrator, "", 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// human creates a user who is a Global Administrator.
func human(t testing.TB, s *identity.Service, oid string) {
	t.Helper()
	_, err := s.Store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(s.Directory.CreateUser(tx, directory.User{ID: oid, TenantID: tenant, UserPrincipalName: oid + "@x.test", Enabled: true}, ""),
			s.Directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, oid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// endings returns the ways in which Azure Resource Manager deletes a managed identity. Each creates an identity
// and returns its principal and a function that deletes it.
func endings(t *testing.T, s *identity.Service) map[string]func() (principal string, end func() error) {
	del := func(path string) func() error {
		return func() error {
			_, err := s.Resources.Delete(t.Context(), activity.Event{}, id(t, path))
			return err
		}
	}
	system := func(path string) string {
		return putResource(t, s, path, identity.IdentityChange{Type: identity.SystemAssigned}).Identity.PrincipalID
	}
	return map[string]func() (string, func() error){
		"user-assigned": func() (string, func() error) { return put(t, s, app).PrincipalID, del(app) },
		"a machine":     func() (string, func() error) { return system(vm), del(vm) },
		"deleting the parent of a nested resource": func() (string, func() error) { system(vm); return system(vm + "/extensions/e"), del(vm) },
		"type None": func() (string, func() error) {
			return system(vm), func() error {
				_, err := tryPutResource(t, s, vm, identity.IdentityChange{Merge: true, Type: identity.None})
				return err
			}
		},
		"a PUT of identity type None": func() (string, func() error) {
			return system(vm), func() error {
				_, err := tryPutResource(t, s, vm, identity.IdentityChange{})
				return err
			}
		},
		"the group": func() (string, func() error) {
			return put(t, s, app).PrincipalID, func() error {
				_, err := s.Resources.DeleteGroup(t.Context(), activity.Event{}, id(t, group))
				return err
			}
		},
		"the group of a machine": func() (string, func() error) {
			return system(vm), func() error {
				_, err := s.Resources.DeleteGroup(t.Context(), activity.Event{}, id(t, group))
				return err
			}
		},
	}
}

// Every deletion of the last enabled Global Administrator is refused before anything is written. With another
// Global Administrator, the deletion succeeds and also removes the role.
func TestARMDoesNotDeleteTheLastGlobalAdministrator(t *testing.T) {
	for name := range endings(t, administrated(t)) {
		t.Run(name, func(t *testing.T) {
			s := administrated(t)
			oid, end := endings(t, s)[name]()
			if err := makeAdmin(t, s, oid); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, s)
			err := end()
			var e *arm.Error
			if !errors.As(err, &e) || e.Status != http.StatusConflict || e.Code != "CannotDeleteLastGlobalAdministrator" {
				t.Fatalf("deleting the last administrator: %v", err)
			}
			if after := snapshot(t, s); after != before {
				t.Errorf("something was written:\n%s\n%s", before, after)
			}
			human(t, s, "99999999-0000-4000-8000-000000000001")
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if got := admins(t, s); len(got) != 1 {
				t.Errorf("administrators: %v", got)
			}
		})
	}
}

// snapshot returns all records of the store except events.
func snapshot(t testing.TB, s *identity.Service) (all string) {
	t.Helper()
	err := s.Store.View(t.Context(), func(tx store.Tx) error {
		all = ""
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if rec.Key[:2] != "x/" {
				all += fmt.Sprintf("%s=%s\n", rec.Key, rec.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// An identity in a group that is being deleted gets no role, because the rest of the deletion would have to
// remove it.
func TestIdentityThatIsBeingDeletedCannotBecomeAdministrator(t *testing.T) {
	s := administrated(t)
	oid := put(t, s, app).PrincipalID
	human(t, s, "99999999-0000-4000-8000-000000000001")
	if _, err := s.Resources.DeleteGroup(t.Context(), activity.Event{}, id(t, group)); err != nil {
		t.Fatal(err)
	}
	if err := makeAdmin(t, s, oid); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// The deletion uses several steps, each of which fits into a transaction.
func TestGroupWithManyAdministratorsIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := administrated(t)
		human(t, s, "99999999-0000-4000-8000-000000000001")
		for i := range 20 {
			for _, oid := range []string{
				put(t, s, fmt.Sprint(app, i)).PrincipalID, putResource(t, s, fmt.Sprint(vm, i), identity.IdentityChange{Type: identity.SystemAssigned}).Identity.PrincipalID,
			} {
				if err := makeAdmin(t, s, oid); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := s.Resources.DeleteGroup(t.Context(), activity.Event{}, id(t, group)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = s.Resources.Run(ctx); close(done) }()
		synctest.Wait()
		stop()
		<-done
		if _, err := s.Resources.Find(t.Context(), id(t, group)); err == nil {
			t.Error("the group is still there")
		}
		if got := admins(t, s); len(got) != 1 {
			t.Errorf("administrators: %v", got)
		}
	})
}

// Concurrent deletions by ARM and by Graph leave one administrator.
func TestConcurrentDeletionsByARMAndGraphLeaveOneAdministrator(t *testing.T) {
	for range 5 {
		s := administrated(t)
		oids := []string{put(t, s, app).PrincipalID, putResource(t, s, vm, identity.IdentityChange{Type: identity.SystemAssigned}).Identity.PrincipalID}
		for _, oid := range oids {
			if err := makeAdmin(t, s, oid); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			human(t, s, fmt.Sprintf("99999999-0000-4000-8000-00000000000%d", i))
		}
		var wg sync.WaitGroup
		for _, path := range []string{app, vm} {
			wg.Go(func() { _, _ = s.Resources.Delete(t.Context(), activity.Event{}, id(t, path)) })
		}
		for i := range 3 {
			wg.Go(func() {
				_, _ = s.Store.Update(t.Context(), func(tx store.Tx) error {
					return s.Directory.DeleteUser(tx, tenant, fmt.Sprintf("99999999-0000-4000-8000-00000000000%d", i))
				})
			})
		}
		wg.Wait()
		if got := admins(t, s); len(got) != 1 {
			t.Errorf("administrators: %v", got)
		}
	}
}
