package bootstrap_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/bootstrap"
	"midas/internal/datadir"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/throttle"
)

const endpoint = "https://localhost:8443"

var lab = datadir.Admin{TenantID: "10000000-0000-4000-8000-000000000001", SubscriptionID: "10000000-0000-4000-8000-000000000002",
	ClientID: "10000000-0000-4000-8000-000000000003", ClientSecret: "everyone-knows-this-secret",
	UserName: "admin@midas.localhost", UserPassword: "Everyone-knows-this-1"}

// fixture is a data folder and a store, which several starts share.
type fixture struct {
	*testing.T
	path  string
	store store.Store
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return &fixture{T: t, path: t.TempDir(), store: st}
}

// services returns the services of one start, on the store st.
func (h *fixture) services(st store.Store) *bootstrap.Bootstrap {
	now := time.Now
	log := &activity.Log{Store: st, Now: now, NewID: uuid.NewString}
	dir := &directory.Directory{Store: st, Now: now, NewID: uuid.NewString}
	roles := rbac.New(rbac.Config{Store: st, Log: log, Now: now, Principals: dir})
	resources := resource.New(resource.Config{Log: log, Store: st, Now: now, NewID: uuid.NewString, Scopes: roles})
	roles.Scope = func(tx store.Tx, _ string, scope arm.ID) error { return resources.CheckNotDeleting(tx, scope) }
	sealer, err := seal.New(seal.MasterKey{1}, "administrator")
	if err != nil {
		h.Fatal(err)
	}
	return &bootstrap.Bootstrap{
		Sealer: sealer,
		Store:  st, Directory: dir, RBAC: roles, Now: now, NewID: uuid.NewString, WellKnown: lab, Resources: resources,
	}
}

// start runs one start of a server with the store st.
func (h *fixture) start(st store.Store, asLab bool) (datadir.Admin, error) {
	h.Helper()
	dir, err := datadir.Open(h.path)
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	b := h.services(st)
	b.Dir, b.Lab = dir, asLab
	return b.Run(h.Context(), endpoint)
}

func (h *fixture) mustStart() datadir.Admin {
	h.Helper()
	admin, err := h.start(h.store, false)
	if err != nil {
		h.Fatal(err)
	}
	return admin
}

// check checks that the administrator of admin.json can authenticate and is Owner of the subscription.
func (h *fixture) check(admin datadir.Admin) {
	h.Helper()
	onDisk, err := datadir.ReadAdmin(h.path)
	if err != nil || onDisk != admin {
		h.Errorf("admin.json is not what the start returned: %v", err)
	}
	b := h.services(h.store)
	p, err := b.Directory.Authenticate(h.Context(), admin.TenantID, admin.ClientID, directory.SecretText(admin.ClientSecret))
	if err != nil {
		h.Fatalf("authenticate: %v", err)
	}
	u, err := b.Directory.AuthenticateUser(h.Context(), admin.TenantID, admin.UserName, directory.PasswordText(admin.UserPassword), throttle.Waiter{})
	if err != nil {
		h.Fatalf("authenticate the user: %v", err)
	}
	h.checkRoles(admin, p.ID)
	h.checkRoles(admin, u.ID)
	sub, err := arm.ParseID("/subscriptions/" + admin.SubscriptionID)
	if err != nil {
		h.Fatal(err)
	}
	if rec, err := b.Resources.Find(h.Context(), sub); err != nil || rec.TenantID != admin.TenantID {
		h.Errorf("subscription %+v: %v", rec, err)
	}
}

// checkRoles checks the roles of one of the administrator's principals.
func (h *fixture) checkRoles(admin datadir.Admin, oid string) {
	h.Helper()
	b := h.services(h.store)
	var roles []string
	err := h.store.View(h.Context(), func(tx store.Tx) (err error) {
		roles, err = b.Directory.DirectoryRoles(tx, admin.TenantID, oid)
		return err
	})
	if diff := cmp.Diff([]string{directory.GlobalAdministrator}, roles); err != nil || diff != "" {
		h.Errorf("directory roles of %s: %v %s", oid, err, diff)
	}
	caller := rbac.Caller{TenantID: admin.TenantID, ObjectID: oid}
	for scope, want := range map[string]bool{
		"/subscriptions/" + admin.SubscriptionID + "/resourceGroups/g": true,
		"/subscriptions/" + uuid.NewString():                           false,
		"/":                                                            false,
	} {
		id, err := arm.ParseID(scope)
		if err != nil {
			h.Fatal(err)
		}
		got := false
		err = b.Store.View(h.Context(), func(tx store.Tx) (err error) {
			got, err = b.RBAC.Authorize(tx, caller, arm.Fold("Microsoft.Authorization/roleAssignments/write"), id)
			return err
		})
		if err != nil || got != want {
			h.Errorf("may write at %s: %v, %v", scope, got, err)
		}
	}
}

// rows counts the records of the store by kind.
func (h *fixture) rows() map[string]int {
	h.Helper()
	count := map[string]int{}
	err := h.store.View(h.Context(), func(tx store.Tx) error {
		clear(count)
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if kind := rec.Key[:2]; kind != "x/" { // the activity log may record an attempt twice
				count[kind]++
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return count
}

func TestFirstStartCreatesAnAdministratorAndLaterStartsReuseIt(t *testing.T) {
	h := newFixture(t)
	first := h.mustStart()
	h.check(first)
	if len(first.ClientSecret) < 32 {
		t.Errorf("the secret has %d characters", len(first.ClientSecret))
	}
	if info, err := os.Stat(filepath.Join(h.path, "admin.json")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of admin.json: %v, %v", info.Mode(), err)
	}
	rows := h.rows()
	if again := h.mustStart(); again != first {
		t.Error("the second start made another administrator")
	}
	if diff := cmp.Diff(rows, h.rows()); diff != "" {
		t.Errorf("the second start wrote: %s", diff)
	}
}

// failing is a store whose Update fails after a number of calls, before or after its commit, as if the
// process was killed.
type failing struct {
	store.Store
	left  int
	after bool
}

var errKilled = errors.New("killed")

func (d *failing) Update(ctx context.Context, fn func(store.Tx) error) (store.Revision, error) {
	d.left--
	if d.left >= 0 {
		return d.Store.Update(ctx, fn)
	}
	if d.left == -1 && d.after {
		if _, err := d.Store.Update(ctx, fn); err != nil {
			return 0, err
		}
	}
	return 0, errKilled
}

func TestKilledStartIsCompletedByTheNext(t *testing.T) {
	whole := newFixture(t)
	whole.check(whole.mustStart())
	want := whole.rows()
	for _, after := range []bool{false, true} {
		kills := 0
		for n := 0; ; n++ {
			h := newFixture(t)
			if _, err := h.start(&failing{Store: h.store, left: n, after: after}, false); err == nil {
				break
			} else if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			kills++
			promised, err := datadir.ReadAdmin(h.path)
			if err != nil {
				t.Fatalf("killed at update %d: %v", n, err)
			}
			admin := h.mustStart()
			h.check(admin)
			if admin != promised {
				t.Errorf("killed at update %d: the next start did not keep the values of admin.json", n)
			}
			if diff := cmp.Diff(want, h.rows()); diff != "" {
				t.Errorf("killed at update %d (after it: %v): the store differs: %s", n, after, diff)
			}
		}
		if kills < 3 {
			t.Errorf("a start has only %d updates", kills)
		}
	}
}

func TestEmptyStoreGetsTheAdministratorOfAdminJSON(t *testing.T) {
	h := newFixture(t)
	first := h.mustStart()
	principal := h.principal(first)
	h.store = newFixture(t).store
	if again := h.mustStart(); again != first {
		t.Error("another administrator")
	}
	h.check(first)
	if got := h.principal(first); got != principal {
		t.Errorf("object id %s, was %s", got, principal)
	}
}

func (h *fixture) principal(admin datadir.Admin) string {
	h.Helper()
	p, err := h.services(h.store).Directory.Authenticate(h.Context(), admin.TenantID, admin.ClientID, directory.SecretText(admin.ClientSecret))
	if err != nil {
		h.Fatal(err)
	}
	return p.ID
}

func TestLostAdminFileReplacesTheSecret(t *testing.T) {
	h := newFixture(t)
	first := h.mustStart()
	rows := h.rows()
	for range 25 { // more often than an application may have secrets
		if err := os.Remove(filepath.Join(h.path, "admin.json")); err != nil {
			t.Fatal(err)
		}
		h.check(h.mustStart())
	}
	now := h.mustStart()
	if now.ClientSecret == first.ClientSecret {
		t.Error("the secret is the old one")
	}
	if now.UserPassword == first.UserPassword {
		t.Error("the password is the old one")
	}
	if now.ClientSecret, now.UserPassword = first.ClientSecret, first.UserPassword; now != first {
		t.Errorf("more than the secret has changed: %v, was %v", now, first)
	}
	if _, err := h.services(h.store).Directory.Authenticate(t.Context(), first.TenantID, first.ClientID, directory.SecretText(first.ClientSecret)); !errors.Is(err, directory.ErrWrongSecret) {
		t.Errorf("the old secret: %v", err)
	}
	rows["rv"] = 2 // the new password has ended the tokens by the old one; there is one record for each subject
	if diff := cmp.Diff(rows, h.rows()); diff != "" {
		t.Errorf("rows: %s", diff)
	}
}

func TestChangedPasswordAndDeletedUserAreKept(t *testing.T) {
	h := newFixture(t)
	admin := h.mustStart()
	dir := h.services(h.store).Directory
	u, err := dir.AuthenticateUser(t.Context(), admin.TenantID, admin.UserName, directory.PasswordText(admin.UserPassword), throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	change := func(fn func(tx store.Tx) error) {
		t.Helper()
		if _, err := h.store.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	const mine = directory.PasswordText("my-Own-password-1")
	hash, err := dir.HashPassword(t.Context(), mine, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	change(func(tx store.Tx) error { return dir.SetPassword(tx, admin.TenantID, u.ID, hash) })
	if h.mustStart() != admin {
		t.Error("another administrator")
	}
	if _, err := dir.AuthenticateUser(t.Context(), admin.TenantID, admin.UserName, mine, throttle.Waiter{}); err != nil {
		t.Errorf("with the user's own password after a start: %v", err)
	}
	change(func(tx store.Tx) error { return dir.DeleteUser(tx, admin.TenantID, u.ID) })
	if h.mustStart() != admin {
		t.Error("another administrator")
	}
	if _, err := dir.AuthenticateUser(t.Context(), admin.TenantID, admin.UserName, mine, throttle.Waiter{}); !errors.Is(err, directory.ErrUnknownUser) {
		t.Errorf("the deleted user after a start: %v", err)
	}
}

func TestOlderFolderGetsAUser(t *testing.T) {
	h := newFixture(t)
	admin := h.mustStart()
	want := h.rows()
	dir, err := datadir.Open(h.path)
	if err != nil {
		t.Fatal(err)
	}
	before := admin
	before.UserName, before.UserPassword = "", ""
	if err := errors.Join(dir.WriteAdmin(before), dir.Close()); err != nil {
		t.Fatal(err)
	}
	oldRecord := `{"v":1,"tenant":"` + admin.TenantID + `","subscription":"` + admin.SubscriptionID + `","client":"` + admin.ClientID + `","owner":true}`
	_, err = h.store.Update(t.Context(), func(tx store.Tx) error {
		for _, prefix := range []string{"d/" + admin.TenantID + "/user", "d/" + admin.TenantID + "/role"} {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
				if err != nil {
					return err
				}
				tx.Delete(rec.Key)
			}
		}
		tx.Put("m/admin", []byte(oldRecord))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.check(h.mustStart())
	if diff := cmp.Diff(want, h.rows()); diff != "" {
		t.Errorf("rows: %s", diff)
	}
}

func TestRemovedRoleIsNotAssignedAgain(t *testing.T) {
	h := newFixture(t)
	admin := h.mustStart()
	b := h.services(h.store)
	_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: "g/"}) {
			if err != nil {
				return err
			}
			tx.Delete(rec.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := h.rows()
	if h.mustStart() != admin {
		t.Error("another administrator")
	}
	if diff := cmp.Diff(before, h.rows()); diff != "" {
		t.Errorf("rows: %s", diff)
	}
}

func TestEndpointFollowsTheServer(t *testing.T) {
	h := newFixture(t)
	first := h.mustStart()
	first.Endpoint = "https://localhost:1"
	dir, err := datadir.Open(h.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dir.WriteAdmin(first), dir.Close()); err != nil {
		t.Fatal(err)
	}
	if got := h.mustStart().Endpoint; got != endpoint {
		t.Errorf("endpoint %s", got)
	}
	h.check(h.mustStart())
}

func TestForeignAdminFileIsRefused(t *testing.T) {
	one, two := newFixture(t), newFixture(t)
	one.mustStart()
	two.mustStart()
	two.path = one.path
	if _, err := two.start(two.store, false); err == nil || !strings.Contains(err.Error(), "does not belong to this store") {
		t.Error(err)
	}
}

func TestWeakSecretInAdminFileIsRefused(t *testing.T) {
	h := newFixture(t)
	admin := h.mustStart()
	admin.ClientSecret = "short"
	dir, err := datadir.Open(h.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dir.WriteAdmin(admin), dir.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.start(h.store, false); !errors.Is(err, directory.ErrWeakSecret) || !strings.Contains(err.Error(), "admin.json") || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
}

func TestLabUsesWellKnownIDsAndItsOwnFolder(t *testing.T) {
	h := newFixture(t)
	admin, err := h.start(h.store, true)
	if err != nil {
		t.Fatal(err)
	}
	h.check(admin)
	want := lab
	want.Endpoint = endpoint
	if admin != want {
		t.Errorf("got %v", admin)
	}
	remove := func(h *fixture) {
		if err := os.Remove(filepath.Join(h.path, "admin.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	refused := func(h *fixture, st store.Store, asLab bool, want string) {
		t.Helper()
		if _, err := h.start(st, asLab); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start with lab %v: %v", asLab, err)
		}
	}
	refused(h, h.store, false, "made with --lab")
	refused(h, newFixture(t).store, false, "made with --lab")
	remove(h)
	refused(h, h.store, false, "made with --lab")
	if again, err := h.start(h.store, true); err != nil || again != want {
		t.Errorf("lab without admin.json: %v, %v", again, err)
	}
	normal := newFixture(t)
	normal.mustStart()
	refused(normal, normal.store, true, "made without --lab")
	refused(normal, newFixture(t).store, true, "made without --lab")
	remove(normal)
	refused(normal, normal.store, true, "made without --lab")
}
