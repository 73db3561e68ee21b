package directory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/clock"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "8d3e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a11"
	other  = "1f0e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a22"
	appOID = "aaaaaaaa-7f44-4a52-a3a7-0f2a3b4c5d6e"
	client = "cccccccc-6a35-4f6e-8a0b-1b2c3d4e5f60"
	object = "eeeeeeee-7f44-4a52-a3a7-0f2a3b4c5d6e"
)

var now = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

func newDirectory(t testing.TB) *directory.Directory {
	t.Helper()
	return &directory.Directory{
		Store: storetest.Memory(t),
		Now:   func() time.Time { return now },
		NewID: func() string { return "dddddddd-0000-4000-8000-000000000000" },
	}
}

// update runs fn in a transaction and returns its error.
func update(t testing.TB, d *directory.Directory, fn func(tx store.Tx) error) error {
	t.Helper()
	_, err := d.Store.Update(t.Context(), fn)
	return err
}

// do is update where no error is expected.
func do(t testing.TB, d *directory.Directory, fn func(tx store.Tx) error) {
	t.Helper()
	if err := update(t, d, fn); err != nil {
		t.Fatal(err)
	}
}

// view reads one value in a transaction.
func view[T any](t testing.TB, d *directory.Directory, fn func(tx store.Tx) (T, error)) (got T, err error) {
	t.Helper()
	err = d.Store.View(t.Context(), func(tx store.Tx) error {
		got, err = fn(tx)
		return err
	})
	return got, err
}

func principal() directory.ServicePrincipal {
	return directory.ServicePrincipal{
		ID: object, AppID: client, TenantID: tenant, DisplayName: "app",
		Type: directory.TypeApplication, Enabled: true, Created: now,
	}
}

func application() directory.Application {
	return directory.Application{ID: appOID, AppID: client, TenantID: tenant, DisplayName: "app", Created: now}
}

func TestTenantsAreFoundByIDAndByDomain(t *testing.T) {
	d := newDirectory(t)
	want := directory.Tenant{ID: tenant, DisplayName: "Home", DefaultDomain: "Contoso.Example", Created: now}
	do(t, d, func(tx store.Tx) error { return d.PutTenant(tx, want) })
	for _, name := range []string{tenant, strings.ToUpper(tenant), "contoso.example", "CONTOSO.EXAMPLE"} {
		got, err := d.FindTenant(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"", "contoso", other, "tenant/" + tenant, "../" + tenant, tenant + "/", strings.Repeat("x", 1<<13)} {
		if got, err := d.FindTenant(t.Context(), name); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q finds %v, %v; want ErrNotFound", name, got, err)
		}
	}
}

func TestADomainBelongsToOneTenant(t *testing.T) {
	d := newDirectory(t)
	put := func(id, domain string) error {
		return update(t, d, func(tx store.Tx) error {
			return d.PutTenant(tx, directory.Tenant{ID: id, DefaultDomain: domain})
		})
	}
	if err := put(tenant, "a.example"); err != nil {
		t.Fatal(err)
	}
	if err := put(other, "A.example"); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a second tenant takes the domain: %v, want ErrExists", err)
	}
	if err := put(tenant, "b.example"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FindTenant(t.Context(), "a.example"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the old domain: %v, want ErrNotFound", err)
	}
	if err := put(other, "a.example"); err != nil {
		t.Errorf("the domain that is free again: %v", err)
	}
	all, err := view(t, d, d.Tenants)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	if diff := cmp.Diff([]string{other, tenant}, ids); diff != "" {
		t.Errorf("tenants (-want +got):\n%s", diff)
	}
}

func TestPrincipalsAreFoundByBothIDsUntilTheyAreDeleted(t *testing.T) {
	d := newDirectory(t)
	want := principal()
	want.AlternativeNames, want.ResourceID = []string{"isExplicit=True", "/subscriptions/s"}, "/subscriptions/s"
	want.Type = directory.TypeManagedIdentity
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, want) })

	byID := func(tx store.Tx) (directory.ServicePrincipal, error) {
		return d.ServicePrincipal(tx, strings.ToUpper(tenant), strings.ToUpper(object))
	}
	byApp := func(tx store.Tx) (directory.ServicePrincipal, error) {
		return d.ServicePrincipalByAppID(tx, tenant, strings.ToUpper(client))
	}
	for name, find := range map[string]func(store.Tx) (directory.ServicePrincipal, error){"object id": byID, "client id": byApp} {
		got, err := view(t, d, find)
		if err != nil {
			t.Fatalf("by %s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", name, diff)
		}
	}
	if kind, err := d.PrincipalType(t.Context(), tenant, object); err != nil || kind != "ServicePrincipal" {
		t.Errorf("PrincipalType = %q, %v", kind, err)
	}

	do(t, d, func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, object) })
	for name, find := range map[string]func(store.Tx) (directory.ServicePrincipal, error){"object id": byID, "client id": byApp} {
		if _, err := view(t, d, find); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("deleted, by %s: %v, want ErrNotFound", name, err)
		}
	}
	if _, err := d.PrincipalType(t.Context(), tenant, object); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("deleted, PrincipalType: %v, want ErrNotFound", err)
	}
	if err := update(t, d, func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, object) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("deleted twice: %v, want ErrNotFound", err)
	}
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, want) })
}

func TestTenantsDoNotSeeEachOthersObjects(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()), d.CreateApplication(tx, application()))
	})
	_, errPrincipal := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) {
		return d.ServicePrincipal(tx, other, object)
	})
	_, errApplication := view(t, d, func(tx store.Tx) (directory.Application, error) {
		return d.ApplicationByAppID(tx, other, client)
	})
	if !errors.Is(errPrincipal, directory.ErrNotFound) || !errors.Is(errApplication, directory.ErrNotFound) {
		t.Errorf("from another tenant: %v, %v; want ErrNotFound", errPrincipal, errApplication)
	}
}

func TestCreateRejectsInvalidObjects(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()), d.CreateApplication(tx, application()))
	})
	fresh := func(edit func(*directory.ServicePrincipal)) directory.ServicePrincipal {
		p := principal()
		p.ID, p.AppID = "fresh", "fresh"
		edit(&p)
		return p
	}
	tests := map[string]struct {
		create func(tx store.Tx) error
		want   error // nil: any
	}{
		"a principal's object id that is taken": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.ID = strings.ToUpper(object) }))
		}, directory.ErrExists},
		"a principal's client id that is taken": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.AppID = client }))
		}, directory.ErrExists},
		"a principal without object id": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.ID = "" }))
		}, nil},
		"a principal without client id": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.AppID = "" }))
		}, nil},
		"a principal without tenant": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.TenantID = "" }))
		}, nil},
		"a principal of no type": {func(tx store.Tx) error {
			return d.CreateServicePrincipal(tx, fresh(func(p *directory.ServicePrincipal) { p.Type = "" }))
		}, nil},
		"an application's client id that is taken": {func(tx store.Tx) error {
			return d.CreateApplication(tx, directory.Application{ID: "fresh", AppID: client, TenantID: tenant})
		}, directory.ErrExists},
		"an application's object id that is taken": {func(tx store.Tx) error {
			return d.CreateApplication(tx, directory.Application{ID: appOID, AppID: "fresh", TenantID: tenant})
		}, directory.ErrExists},
		"an application without client id": {func(tx store.Tx) error {
			return d.CreateApplication(tx, directory.Application{ID: "fresh", TenantID: tenant})
		}, nil},
		"an application with 21 secrets": {func(tx store.Tx) error {
			return d.CreateApplication(tx, directory.Application{ID: "fresh", AppID: "fresh", TenantID: tenant, Secrets: make([]directory.Secret, 21)})
		}, directory.ErrTooManySecrets},
		"a tenant without id": {func(tx store.Tx) error { return d.PutTenant(tx, directory.Tenant{}) }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := update(t, d, test.create)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if _, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) {
				return d.ServicePrincipalByAppID(tx, tenant, "fresh")
			}); !errors.Is(err, directory.ErrNotFound) {
				t.Error("something was written")
			}
		})
	}
}

// TestRevocationsFollowEachOther revokes twice in a second, and by a clock that is behind. What was issued after the
// first revocation, and so dated to its ValidFrom, is refused after the second.
func TestRevocationsFollowEachOther(t *testing.T) {
	d := newDirectory(t)
	clockIs := now
	d.Now = func() time.Time { return clockIs }
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, principal()) })
	do(t, d, func(tx store.Tx) error {
		return d.CreateUser(tx, directory.User{TenantID: tenant, ID: client, UserPrincipalName: "u@x.test", DisplayName: "u", Enabled: true}, "")
	})
	for _, id := range []string{object, client} {
		validFrom := func() time.Time {
			got, err := view(t, d, func(tx store.Tx) (directory.TokenStatus, error) { return d.TokenStatus(tx, tenant, id) })
			if err != nil {
				t.Fatal(err)
			}
			return got.ValidFrom
		}
		for _, shift := range []time.Duration{0, 0, -time.Minute, time.Second} {
			clockIs = clockIs.Add(shift)
			issued := validFrom() // of a token that was issued before this revocation
			do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, id) })
			if got := validFrom(); !got.After(issued) || !got.After(clockIs) {
				t.Errorf("%s, %v later: tokens are valid from %v, and one is dated %v", id, shift, got, issued)
			}
		}
		for range 400 { // new tokens stay acceptable
			do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, id) })
		}
		if got := validFrom(); !clock.Begun(got, clockIs) {
			t.Errorf("%s: after many revocations tokens are valid from %v, at %v", id, got, clockIs)
		}
		clockIs = clockIs.Add(-time.Hour) // the clock was an hour ahead
		do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, id) })
		if got := validFrom(); !clock.Begun(got, clockIs) {
			t.Errorf("%s: with a clock that was set back, tokens are valid from %v, at %v", id, got, clockIs)
		}
	}
}

// TestRevocationIncludesTheTokensOfFasterReplicas revokes at a replica whose clock is an hour behind that of another one,
// which then ends. Then no replica is faster, and the tokens of that replica must stay revoked.
func TestRevocationIncludesTheTokensOfFasterReplicas(t *testing.T) {
	d := newDirectory(t)
	ahead := time.Hour
	d.Latest = func(now time.Time) time.Time { return now.Add(ahead) }
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, principal()) })
	for _, ahead = range []time.Duration{time.Hour, 0, 0} {
		issued := now.Add(time.Hour) // at the other replica
		do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) })
		got, err := view(t, d, func(tx store.Tx) (directory.TokenStatus, error) { return d.TokenStatus(tx, tenant, object) })
		if err != nil || !got.ValidFrom.After(issued) {
			t.Errorf("%s ahead: tokens are valid from %v, and one was issued at %v (%v)", ahead, got.ValidFrom, issued, err)
		}
	}
}

func TestRevocationIncludesTheCurrentSecond(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, principal()) })
	do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) })
	got, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) {
		return d.ServicePrincipal(tx, tenant, object)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := principal()
	want.ValidFrom = time.Date(2026, 3, 14, 9, 26, 54, 0, time.UTC)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	if err := update(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, client) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("of nobody: %v, want ErrNotFound", err)
	}
}

func TestRecordsOfANewerVersionAreRefused(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error {
		tx.Put("d//tenant/"+tenant, []byte(`{"v":2,"id":"`+tenant+`"}`))
		tx.Put("d//tenant/"+other, []byte(`{"v":1`))
		return nil
	})
	for id, says := range map[string]string{tenant: "newer Midas", other: "decode the tenant"} {
		if _, err := d.FindTenant(t.Context(), id); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
	if _, err := view(t, d, d.Tenants); err == nil {
		t.Error("the list hides the damaged record")
	}
}

func TestStoredRecordsAreReadable(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error { return d.CreateServicePrincipal(tx, principal()) })
	rec, err := view(t, d, func(tx store.Tx) (store.Record, error) { return tx.Get("d/" + tenant + "/sp/" + object) })
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"v":1,"id":%q,"appId":%q,"tenantId":%q,"displayName":"app","type":"Application","enabled":true,"created":"2026-03-14T09:26:53.589793238Z"}`, object, client, tenant)
	if diff := cmp.Diff(want, string(rec.Value)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
