package directory_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
)

const revokedUser = "ffffffff-7f44-4a52-a3a7-0f2a3b4c5d6e"

// withSubjects has an application, a managed identity and a user, all enabled.
func withSubjects(t testing.TB) *directory.Directory {
	t.Helper()
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error {
		mi := principal()
		mi.ID, mi.AppID, mi.Type = "managed", "managed-client", directory.TypeManagedIdentity
		return errors.Join(
			d.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Contoso", DefaultDomain: "contoso.example"}),
			d.CreateApplication(tx, application()), d.CreateServicePrincipal(tx, principal()), d.CreateServicePrincipal(tx, mi),
			d.CreateUser(tx, directory.User{ID: revokedUser, TenantID: tenant, UserPrincipalName: "u@contoso.example", Enabled: true}, "hash"),
		)
	})
	return d
}

// listed returns the revocations of the tenant by object id.
func listed(t testing.TB, d *directory.Directory) (map[string]directory.Revocation, store.Revision) {
	t.Helper()
	list, err := view(t, d, func(tx store.Tx) (directory.TokenRevocations, error) { return d.Revocations(tx, tenant) })
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]directory.Revocation{}
	for _, r := range list.All {
		all[r.ObjectID] = r
	}
	return all, list.Version
}

// TestEveryEndOfTokensIsListed checks that each change which ends a subject's tokens puts the subject into the
// revocations in the same transaction, and that no other change does.
func TestEveryEndOfTokensIsListed(t *testing.T) {
	next := now.Truncate(time.Second).Add(time.Second)
	until := now.Truncate(time.Second).Add(25*time.Hour + 5*time.Minute)
	gone, before := directory.Revocation{Ended: true, Until: until}, directory.Revocation{Before: next, Until: until}
	disabled := directory.Revocation{Before: next, Ended: true, Until: until}
	enable := func(d *directory.Directory, on bool) func(store.Tx) error {
		return func(tx store.Tx) error {
			p, err := d.ServicePrincipal(tx, tenant, object)
			p.Enabled = on
			return errors.Join(err, d.UpdateServicePrincipal(tx, p))
		}
	}
	enableUser := func(d *directory.Directory, on bool) func(store.Tx) error {
		return func(tx store.Tx) error {
			u, err := d.User(tx, tenant, revokedUser)
			u.Enabled = on
			return errors.Join(err, d.UpdateUser(tx, u))
		}
	}
	for name, test := range map[string]struct {
		change func(d *directory.Directory) []func(store.Tx) error
		oid    string
		want   directory.Revocation
	}{
		"revoke an application": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) }}
		}, object, before},
		"revoke a managed identity": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, "MANAGED") }}
		}, "managed", before},
		"revoke a user": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, revokedUser) }}
		}, revokedUser, before},
		"a new password": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.SetPassword(tx, tenant, revokedUser, "other") }}
		}, revokedUser, before},
		"a changed password": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.ChangePassword(tx, tenant, revokedUser, "hash", "other") }}
		}, revokedUser, before},
		"disable an application": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{enable(d, false)}
		}, object, disabled},
		"disable and enable an application": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{enable(d, false), enable(d, true)}
		}, object, before},
		"disable a user": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{enableUser(d, false)}
		}, revokedUser, disabled},
		"disable and enable a user": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{enableUser(d, false), enableUser(d, true)}
		}, revokedUser, before},
		"disable and revoke": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{enable(d, false), func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) }}
		}, object, directory.Revocation{Before: next.Add(time.Second), Ended: true, Until: until}},
		"delete an application": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { _, err := d.DeleteApplication(tx, tenant, appOID); return err }}
		}, object, gone},
		"delete a service principal": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, object) }}
		}, object, gone},
		"delete a managed identity": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, "managed") }}
		}, "managed", gone},
		"delete a user": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error { return d.DeleteUser(tx, tenant, revokedUser) }}
		}, revokedUser, gone},
		"rename": {func(d *directory.Directory) []func(store.Tx) error {
			return []func(store.Tx) error{func(tx store.Tx) error {
				u, err := d.User(tx, tenant, revokedUser)
				u.DisplayName = "another"
				return errors.Join(err, d.UpdateUser(tx, u))
			}, func(tx store.Tx) error {
				a := application()
				a.DisplayName = "another"
				return d.UpdateApplication(tx, a)
			}}
		}, "", directory.Revocation{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := withSubjects(t)
			if all, version := listed(t, d); len(all) != 0 || version != 0 {
				t.Fatalf("new objects are revoked: %v, version %d", all, version)
			}
			last := store.Revision(0)
			for _, change := range test.change(d) {
				revision, err := d.Store.Update(t.Context(), change)
				if err != nil {
					t.Fatal(err)
				}
				if _, version := listed(t, d); test.oid != "" && (version != revision || version <= last) {
					t.Errorf("version %d after revision %d, before it was %d", version, revision, last)
				} else {
					last = version
				}
			}
			want := map[string]directory.Revocation{}
			if test.oid != "" {
				test.want.ObjectID = test.oid
				want[test.oid] = test.want
			}
			got, _ := listed(t, d)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRecordsOfSubjectsAreWrittenInOnePlace keeps every write of a user or a service principal in the functions that
// record revocations, and in those that create an object.
func TestRecordsOfSubjectsAreWrittenInOnePlace(t *testing.T) {
	write := regexp.MustCompile(`(principals|users)\.Put\(|Delete\((principal|user)Key\(`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(write.FindAll(text, -1)); n > 0 && !strings.HasSuffix(file, "_test.go") {
			got[file] = n
		}
	}
	if diff := cmp.Diff(map[string]int{"revocation.go": 2, "principal.go": 1, "user.go": 1}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAnObjectWithTheIDOfADeletedOneDoesNotReviveItsTokens checks that an id can be used again, and that the tokens
// of its former owner stay revoked.
func TestAnObjectWithTheIDOfADeletedOneDoesNotReviveItsTokens(t *testing.T) {
	d := withSubjects(t)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.DeleteServicePrincipal(tx, tenant, object), d.DeleteUser(tx, tenant, revokedUser))
	})
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()),
			d.CreateUser(tx, directory.User{ID: revokedUser, TenantID: tenant, UserPrincipalName: "v@contoso.example", Enabled: true}, ""))
	})
	all, _ := listed(t, d)
	for _, oid := range []string{object, revokedUser} {
		status, err := view(t, d, func(tx store.Tx) (directory.TokenStatus, error) { return d.TokenStatus(tx, tenant, oid) })
		if err != nil || !status.ValidFrom.After(now) || !all[oid].Before.Equal(status.ValidFrom) || all[oid].Ended {
			t.Errorf("%s: %+v, %+v, %v", oid, status, all[oid], err)
		}
	}
}

func TestRevocationsEndWithTheLastToken(t *testing.T) {
	d := withSubjects(t)
	at := now
	d.Now, d.LongestToken = func() time.Time { return at }, 10*time.Hour
	const n = 150 // more than one transaction removes
	do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) })
	for i := range n {
		do(t, d, func(tx store.Tx) error {
			p := principal()
			p.ID, p.AppID, p.Type = fmt.Sprintf("%04d", i), fmt.Sprintf("app-%04d", i), directory.TypeManagedIdentity
			return errors.Join(d.CreateServicePrincipal(tx, p))
		})
		do(t, d, func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, fmt.Sprintf("%04d", i)) })
	}
	_, before := listed(t, d)
	at = now.Add(11*time.Hour + 4*time.Minute)
	if removed, err := d.ExpireRevocations(t.Context()); removed != 0 || err != nil {
		t.Fatalf("removed %d before the last token has expired, %v", removed, err)
	}
	if _, version := listed(t, d); version != before {
		t.Errorf("version %d became %d without a change", before, version)
	}
	do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, object) }) // begins anew
	at = now.Add(11*time.Hour + 6*time.Minute)
	if removed, err := d.ExpireRevocations(t.Context()); removed != n || err != nil {
		t.Fatalf("removed %d, want %d: %v", removed, n, err)
	}
	if all, version := listed(t, d); len(all) != 1 || version <= before {
		t.Errorf("left: %v, version %d, before %d", all, version, before)
	}
}

// TestCreationStopsBeforeTheListIsTooLong checks that deletions are never refused, and that creations are until enough
// revocations have ended.
func TestCreationStopsBeforeTheListIsTooLong(t *testing.T) {
	d := withSubjects(t)
	at := now
	d.Now = func() time.Time { return at }
	d.MaxRevocations = 2
	create := func() error {
		return update(t, d, func(tx store.Tx) error {
			p := principal()
			p.ID, p.AppID, p.Type = "new", "new-client", directory.TypeManagedIdentity
			return d.CreateServicePrincipal(tx, p)
		})
	}
	for range 3 { // one subject, however often it is revoked, does not stop the creation of others
		do(t, d, func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, revokedUser) })
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	do(t, d, func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, "new") })
	if err := create(); !errors.Is(err, directory.ErrTooManyRevocations) {
		t.Errorf("at the limit: %v", err)
	}
	do(t, d, func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, "managed") })
	if all, _ := listed(t, d); len(all) != 3 {
		t.Errorf("the list has %d entries", len(all))
	}
	at = now.Add(30 * time.Hour)
	if _, err := d.ExpireRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Errorf("after the end of the revocations: %v", err)
	}
}

// TestRevocationsOfAnEarlierVersionAreAdopted opens a store whose revocations were made before they were recorded.
func TestRevocationsOfAnEarlierVersionAreAdopted(t *testing.T) {
	d := withSubjects(t)
	for i := range 130 { // more than one transaction examines
		do(t, d, func(tx store.Tx) error {
			p := principal()
			p.ID, p.AppID, p.Type = fmt.Sprintf("%04d", i), fmt.Sprintf("app-%04d", i), directory.TypeManagedIdentity
			switch i {
			case 0:
				p.Enabled, p.ValidFrom = false, now.Add(-time.Hour)
			case 1:
				p.ValidFrom = now.Add(-time.Hour)
			case 2:
				p.ValidFrom = now.Add(-48 * time.Hour)
			case 3:
				p.Enabled, p.ValidFrom = false, now.Add(-48*time.Hour)
			case 4:
				p.Enabled = false // from its creation on
			}
			return d.CreateServicePrincipal(tx, p)
		})
	}
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.SetPassword(tx, tenant, revokedUser, "other"), d.DeleteManagedIdentityPrincipal(tx, tenant, "managed"))
	})
	want, _ := listed(t, d)
	do(t, d, func(tx store.Tx) error { // what an earlier version has not written
		for _, r := range want {
			tx.Delete(store.RevocationKind.Key("", tenant+"/"+r.ObjectID))
		}
		tx.Delete(store.RevocationListKind.Key("", tenant))
		return nil
	})
	if err := d.AdoptRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, version := listed(t, d)
	if len(got) != 4 || version == 0 {
		t.Fatalf("adopted %v, version %d", got, version)
	}
	if r := got["0000"]; !r.Ended {
		t.Errorf("disabled: %+v", r)
	}
	if r := got["0001"]; r.Ended || !r.Before.Equal(now.Add(-time.Hour)) {
		t.Errorf("revoked: %+v", r)
	}
	for oid, r := range want {
		if got[oid].Ended != r.Ended || !got[oid].Before.Equal(r.Before) {
			t.Errorf("%s: %+v, want %+v", oid, got[oid], r)
		}
	}
	if err := d.AdoptRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, again := listed(t, d); again != version {
		t.Errorf("a second start has changed the list: version %d, before %d", again, version)
	}
}

// TestRevocationsOfAnEarlierVersionInBetweenAreAdopted lets a Midas that does not record revocations change subjects
// which have records, and starts this version again.
func TestRevocationsOfAnEarlierVersionInBetweenAreAdopted(t *testing.T) {
	d := withSubjects(t)
	if err := d.AdoptRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := []string{"again", "enabled", "deleted", "disabled", "unchanged"}
	do(t, d, func(tx store.Tx) error {
		var all []error
		for _, oid := range ids {
			p := principal()
			p.ID, p.AppID = oid, "app-"+oid
			all = append(all, d.CreateServicePrincipal(tx, p), d.RevokeTokens(tx, tenant, oid))
		}
		return errors.Join(all...)
	})
	enable := func(oid string, on bool) {
		do(t, d, func(tx store.Tx) error {
			p, err := d.ServicePrincipal(tx, tenant, oid)
			p.Enabled = on
			return errors.Join(err, d.UpdateServicePrincipal(tx, p))
		})
	}
	enable("enabled", false)
	var recorded []store.Record
	do(t, d, func(tx store.Tx) (err error) {
		recorded, err = tx.Records(store.Range{Prefix: store.RevocationKind.Keys})
		return err
	})
	enable("enabled", true)
	enable("disabled", false)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.RevokeTokens(tx, tenant, "again"), d.DeleteServicePrincipal(tx, tenant, "deleted"))
	})
	want, before := listed(t, d)
	do(t, d, func(tx store.Tx) error { // the earlier version has changed the subjects only, and has unlinked the deleted one
		for _, rec := range recorded {
			tx.Put(rec.Key, rec.Value)
		}
		tx.Delete(store.UnlinkKind.Key("", tenant+"/deleted"))
		return nil
	})
	if err := d.AdoptRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, version := listed(t, d)
	if diff := cmp.Diff(want, got); diff != "" || version <= before {
		t.Errorf("version %d after %d, (-want +got):\n%s", version, before, diff)
	}
	if err := d.AdoptRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, again := listed(t, d); again != version {
		t.Errorf("a second start has changed the list: version %d, before %d", again, version)
	}
}
