package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/host"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

const vm = group + "/providers/Microsoft.Compute/virtualMachines/vm"

func TestDefaultIdentitySelection(t *testing.T) {
	s := newService(t)
	a, b := put(t, s, app+"1"), put(t, s, app+"2")
	putResource(t, s, vm, identity.IdentityChange{})
	wantWorkload(t, s, vm, host.Selector{}, "", host.ErrNone)
	wantWorkload(t, s, vm+"x", host.Selector{}, "", errors.New("ResourceNotFound"))

	putResource(t, s, vm, assign(identity.UserAssigned, app+"1"))
	wantWorkload(t, s, vm, host.Selector{}, a.PrincipalID, nil)
	wantWorkload(t, s, vm, host.Selector{ClientID: b.ClientID}, "", host.ErrNotAssigned)

	putResource(t, s, vm, assign(identity.UserAssigned, app+"1", app+"2"))
	wantWorkload(t, s, vm, host.Selector{}, "", host.ErrSeveral)
	wantWorkload(t, s, vm, host.Selector{ClientID: strings.ToUpper(b.ClientID)}, b.PrincipalID, nil)
	wantWorkload(t, s, vm, host.Selector{ObjectID: a.PrincipalID}, a.PrincipalID, nil)
	wantWorkload(t, s, vm, host.Selector{ResourceID: strings.ToUpper(app + "2")}, b.PrincipalID, nil)
	wantWorkload(t, s, vm, host.Selector{ResourceID: "app2"}, "", host.ErrNotAssigned)

	both := putResource(t, s, vm, assign(identity.Both, app+"1", app+"2"))
	wantWorkload(t, s, vm, host.Selector{}, both.Identity.PrincipalID, nil)
	wantWorkload(t, s, vm, host.Selector{ClientID: both.Identity.ClientID}, both.Identity.PrincipalID, nil)
	p, err := s.Workload(t.Context(), id(t, vm), host.Selector{})
	want := host.Principal{TenantID: tenant, ObjectID: both.Identity.PrincipalID, ClientID: both.Identity.ClientID, ResourceID: vm}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestScaleSetInstancesUseTheIdentitiesOfTheScaleSet(t *testing.T) {
	s := newService(t)
	set := group + "/providers/Microsoft.Compute/virtualMachineScaleSets/set"
	scaleSet := putResource(t, s, set, identity.IdentityChange{Type: identity.SystemAssigned})
	wantWorkload(t, s, set+"/virtualMachines/0", host.Selector{}, "", errors.New("ResourceNotFound"))
	putResource(t, s, set+"/virtualMachines/0", identity.IdentityChange{})
	wantWorkload(t, s, set+"/virtualMachines/0", host.Selector{}, scaleSet.Identity.PrincipalID, nil)
}

func TestReferencesToDeletedIdentitiesGiveNoToken(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	putResource(t, s, vm, assign(identity.UserAssigned, app))
	remove(t, s, app, true)
	wantWorkload(t, s, vm, host.Selector{}, "", host.ErrNotAssigned)
	if b, err := s.ResourceIdentity(t.Context(), id(t, vm)); err != nil || len(b.UserAssigned) != 1 {
		t.Errorf("the reference was removed: %+v, %v", b, err)
	}
	again := put(t, s, app)
	wantWorkload(t, s, vm, host.Selector{}, "", host.ErrNotAssigned)
	wantWorkload(t, s, vm, host.Selector{ResourceID: app}, "", host.ErrNotAssigned)
	if users, total, err := s.Associated(t.Context(), id(t, app), identity.AssociatedQuery{Limit: 10}); err != nil || total != 0 {
		t.Errorf("the new identity has the users of the old one: %v, %v", users, err)
	}
	putResource(t, s, vm, assign(identity.UserAssigned, app)) // assigns the new identity
	wantWorkload(t, s, vm, host.Selector{}, again.PrincipalID, nil)
}

func TestSystemAssignedIdentityIsDeletedWithItsResource(t *testing.T) {
	s := newService(t)
	seen := map[string]bool{}
	for range 3 {
		first := putResource(t, s, vm, identity.IdentityChange{Type: identity.SystemAssigned}).Identity
		if again := putResource(t, s, vm, identity.IdentityChange{Type: identity.SystemAssigned}).Identity; again.PrincipalID != first.PrincipalID {
			t.Error("a second PUT created another principal")
		}
		sp, err := principal(t, s, first.PrincipalID)
		if err != nil || sp.Type != "ManagedIdentity" || sp.DisplayName != "vm" || sp.AppID != first.ClientID ||
			!cmp.Equal(sp.AlternativeNames, []string{"isExplicit=False", vm}) {
			t.Errorf("%+v, %v", sp, err)
		}
		off := putResource(t, s, vm, identity.IdentityChange{Merge: true, Type: identity.None}).Identity
		if _, err := principal(t, s, first.PrincipalID); !errors.Is(err, store.ErrNotFound) || off.PrincipalID != "" {
			t.Errorf("the principal is left: %v", err)
		}
		last := putResource(t, s, vm, identity.IdentityChange{Type: identity.SystemAssigned}).Identity
		if _, err := s.Resources.Delete(t.Context(), activity.Event{}, id(t, vm)); err != nil {
			t.Fatal(err)
		}
		if _, err := principal(t, s, last.PrincipalID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the principal is left: %v", err)
		}
		if seen[first.PrincipalID] || seen[last.PrincipalID] || first.PrincipalID == last.PrincipalID {
			t.Error("a new identity has the principal of an earlier one")
		}
		seen[first.PrincipalID], seen[last.PrincipalID] = true, true
	}
	wantNoTraces(t, s)
}

// wantNoTraces fails the test if any record of an identity is left.
func wantNoTraces(t *testing.T, s *identity.Service) {
	t.Helper()
	err := s.Store.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(rec.Key, "i/") || strings.HasPrefix(rec.Key, "a/") || strings.Contains(rec.Key, "/sp/") ||
				strings.HasPrefix(rec.Key, "o/") || strings.Contains(rec.Key, "microsoft.compute") && !strings.HasPrefix(rec.Key, "x/") {
				t.Errorf("%s is left", rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Each step of the deletion must stay within the limit of a transaction, for any number of identities.
func TestDeletingAGroupDeletesTheIdentitiesOfItsResources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		var ids []string
		for i := range identity.MaxAssigned {
			ids = append(ids, put(t, s, fmt.Sprintf("%s%02d", app, i)).ID.String())
		}
		for i := range 12 {
			putResource(t, s, fmt.Sprintf("%s%d", vm, i), assign(identity.Both, ids...))
			putResource(t, s, fmt.Sprintf("%s%d/extensions/e", vm, i), identity.IdentityChange{})
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
		err := s.Store.View(t.Context(), func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Range{Prefix: "a/"}) {
				t.Errorf("%s is left: %v", rec.Key, err)
			}
			for rec, err := range tx.Scan(store.Range{Prefix: "i/"}) {
				t.Errorf("%s is left: %v", rec.Key, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestUserAssignedIdentitiesOfAResourceAreLimited(t *testing.T) {
	s := newService(t)
	var first, second []string
	for i := range identity.MaxAssigned {
		first = append(first, put(t, s, fmt.Sprintf("%sa%02d", app, i)).ID.String())
		second = append(second, put(t, s, fmt.Sprintf("%sb%02d", app, i)).ID.String())
	}
	putResource(t, s, vm, assign(identity.Both, first...))
	got := putResource(t, s, vm, assign(identity.Both, second...)) // replaces all identities, which is the largest transaction
	if diff := cmp.Diff(second, got.Identity.UserAssigned); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	more := assign(identity.Both, first[0])
	more.Merge = true
	_, err := tryPutResource(t, s, vm, more)
	wantCode(t, err, "FailedIdentityOperation")
}

// In either order, no resource is assigned an identity that was already deleted.
func TestConcurrentAssignAndDeleteOfAnIdentityAreConsistent(t *testing.T) {
	s := newService(t)
	for round := range 20 {
		made := put(t, s, app)
		machine := fmt.Sprintf("%s%d", vm, round)
		var both sync.WaitGroup
		var failed error
		both.Go(func() { _, failed = tryPutResource(t, s, machine, assign(identity.UserAssigned, app)) })
		both.Go(func() { remove(t, s, app, true) })
		both.Wait()
		_, err := s.Resources.Find(t.Context(), id(t, machine))
		if failed != nil {
			wantCode(t, failed, "FailedIdentityOperation")
			wantCode(t, err, "ResourceNotFound")
			continue
		}
		b, err := s.ResourceIdentity(t.Context(), id(t, machine))
		if err != nil {
			t.Fatal(err)
		}
		if principal, _ := b.Assigned(0); principal != made.PrincipalID {
			t.Errorf("assigned principal %s, want %s", principal, made.PrincipalID)
		}
		wantWorkload(t, s, machine, host.Selector{}, "", host.ErrNotAssigned)
	}
}

func TestConcurrentAssignAndDeleteOfTheResourceLeaveNoRecords(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	for range 20 {
		putResource(t, s, vm, identity.IdentityChange{})
		var both sync.WaitGroup
		both.Go(func() {
			w := write(t, vm, assign(identity.Both, app))
			w.Exists = true
			if _, _, err := s.WriteResource(context.Background(), activity.Event{}, w); err != nil && !arm.IsResourceNotFound(err) {
				wantCode(t, err, "ResourceBeingDeleted")
			}
		})
		both.Go(func() {
			if _, err := s.Resources.Delete(context.Background(), activity.Event{}, id(t, vm)); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
	}
	remove(t, s, app, true)
	wantNoTraces(t, s)
}

func TestRestrictionsApplyToExistingAndNewAssignments(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	restrict := func(providers ...string) error {
		_, _, err := s.Put(t.Context(), activity.Event{}, id(t, app), func(i identity.Identity) (identity.Identity, error) {
			i.Restrictions = &identity.Restrictions{Providers: providers}
			return i, nil
		})
		return err
	}
	if err := restrict("microsoft.storage", "Microsoft.Compute/virtualmachines"); err != nil {
		t.Fatal(err)
	}
	site := group + "/providers/Microsoft.Web/sites/s"
	_, err := tryPutResource(t, s, site, assign(identity.UserAssigned, app))
	wantCode(t, err, "FailedIdentityOperation")
	set := group + "/providers/Microsoft.Compute/virtualMachineScaleSets/s"
	_, err = tryPutResource(t, s, set, assign(identity.UserAssigned, app))
	wantCode(t, err, "FailedIdentityOperation")
	putResource(t, s, vm, assign(identity.UserAssigned, app))
	wantCode(t, restrict("Microsoft.Storage"), "BadRequest")
	if err := restrict("Microsoft.Compute"); err != nil {
		t.Error(err)
	}
	putResource(t, s, vm, identity.IdentityChange{})
	if err := restrict("Microsoft.Storage"); err != nil {
		t.Error(err)
	}
}

// A concurrent restriction and assignment have the result of one order of the two.
func TestConcurrentRestrictAndAssignAreConsistent(t *testing.T) {
	s := newService(t)
	for round := range 20 {
		name := fmt.Sprintf("%s%d", app, round)
		put(t, s, name)
		site := fmt.Sprintf("%s/providers/Microsoft.Web/sites/s%d", group, round)
		var both sync.WaitGroup
		both.Go(func() { _, _ = tryPutResource(t, s, site, assign(identity.UserAssigned, name)) })
		both.Go(func() {
			_, _, _ = s.Put(context.Background(), activity.Event{}, id(t, name), func(i identity.Identity) (identity.Identity, error) {
				i.Restrictions = &identity.Restrictions{Providers: []string{"Microsoft.Compute"}}
				return i, nil
			})
		})
		both.Wait()
		now, err := s.Get(t.Context(), id(t, name))
		if err != nil {
			t.Fatal(err)
		}
		_, total, err := s.Associated(t.Context(), id(t, name), identity.AssociatedQuery{})
		if err != nil || total > 0 && now.Restrictions != nil {
			t.Errorf("restricted to %v, and used by %d others: %v", now.Restrictions, total, err)
		}
	}
}

func assign(typ string, ids ...string) identity.IdentityChange {
	return identity.IdentityChange{Type: typ, Assign: ids}
}

func write(t testing.TB, path string, a identity.IdentityChange) identity.Write {
	t.Helper()
	if a.Allow == nil {
		a.Allow = func(context.Context, []arm.ID) error { return nil }
	}
	return identity.Write{
		ID: id(t, path), Type: id(t, path).Type(), Identity: a,
		Change: func(old resource.Record) (resource.Record, error) {
			old.Location = "eastus"
			return old, nil
		},
	}
}

func tryPutResource(t testing.TB, s *identity.Service, path string, a identity.IdentityChange) (identity.Resource, error) {
	t.Helper()
	got, _, err := s.WriteResource(context.Background(), activity.Event{}, write(t, path, a))
	return got, err
}

func putResource(t testing.TB, s *identity.Service, path string, a identity.IdentityChange) identity.Resource {
	t.Helper()
	got, err := tryPutResource(t, s, path, a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantWorkload(t *testing.T, s *identity.Service, path string, sel host.Selector, principal string, want error) {
	t.Helper()
	p, err := s.Workload(t.Context(), id(t, path), sel)
	var e *arm.Error
	if errors.As(err, &e) {
		err = errors.New(e.Code)
		if want != nil && want.Error() == e.Code {
			err = want
		}
	}
	if !errors.Is(err, want) || p.ObjectID != principal {
		t.Errorf("%+v on %s: %+v, %v; want %q, %v", sel, path, p, err, principal, want)
	}
}
