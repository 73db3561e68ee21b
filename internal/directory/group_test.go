package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/directory"
	"midas/internal/store"
)

// withGroups creates groups with these ids, and a user.
func withGroups(t testing.TB, ids ...string) *directory.Directory {
	t.Helper()
	d := withUser(t)
	for _, id := range ids {
		do(t, d, func(tx store.Tx) error {
			return d.CreateGroup(tx, directory.Group{ID: id, TenantID: tenant, DisplayName: id, Created: now})
		})
	}
	return d
}

func add(t testing.TB, d *directory.Directory, group, member string) {
	t.Helper()
	do(t, d, func(tx store.Tx) error { return d.AddMember(tx, tenant, group, member) })
}

func TestTransitiveGroups(t *testing.T) {
	d := withGroups(t, "a", "b", "c", "island")
	for _, link := range [][2]string{{"a", userID}, {"b", "a"}, {"c", "b"}, {"a", "c"}, {"c", "a"}} { // with circles
		add(t, d, link[0], link[1])
	}
	check := func(oid string, want ...string) {
		t.Helper()
		got, err := transitiveGroups(t, d, tenant, oid)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("groups of %s: %v, %v, want %v", oid, got, err, want)
		}
	}
	check(userID, "a", "b", "c")
	check("a", "b", "c")
	check("island")
	check("nobody")
	if got, err := transitiveGroups(t, d, other, userID); err != nil || len(got) != 0 {
		t.Errorf("in another tenant: %v, %v", got, err)
	}
	members, err := view(t, d, func(tx store.Tx) ([]string, error) { return d.TransitiveMembers(tx, tenant, "b") })
	slices.Sort(members)
	if err != nil || !slices.Equal(members, []string{userID, "a", "c"}) {
		t.Errorf("members of b: %v, %v", members, err)
	}
	do(t, d, func(tx store.Tx) error { return d.DeleteGroup(tx, tenant, "b") })
	check(userID, "a", "c") // c has a by another way
	do(t, d, func(tx store.Tx) error { return d.RemoveMember(tx, tenant, "c", "a") })
	check(userID, "a")
}

func TestInvalidMembershipsAreRejected(t *testing.T) {
	d := withGroups(t, "a", "b")
	do(t, d, func(tx store.Tx) error { return d.CreateApplication(tx, application()) })
	add(t, d, "a", userID)
	for _, test := range []struct {
		group, member string
		want          error
	}{
		{"a", userID, directory.ErrExists},
		{"A", userID, directory.ErrExists},
		{"a", "a", directory.ErrInvalid},
		{"a", appOID, directory.ErrInvalid},
		{"a", "none", directory.ErrNotFound},
		{"none", userID, directory.ErrNotFound},
		{userID, "a", directory.ErrNotFound},
	} {
		if err := update(t, d, func(tx store.Tx) error { return d.AddMember(tx, tenant, test.group, test.member) }); !errors.Is(err, test.want) {
			t.Errorf("%s in %s: %v, want %v", test.member, test.group, err, test.want)
		}
	}
	if err := update(t, d, func(tx store.Tx) error { return d.RemoveMember(tx, tenant, "b", userID) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("remove what is none: %v", err)
	}
}

func TestTooManyGroupsIsAnError(t *testing.T) {
	d := withUser(t)
	for i := 0; i <= directory.MaxGroups; i += 20 {
		do(t, d, func(tx store.Tx) error {
			for j := i; j < i+20; j++ {
				id := fmt.Sprintf("g%04d", j)
				if err := d.CreateGroup(tx, directory.Group{ID: id, TenantID: tenant, Created: now}); err != nil {
					return err
				}
			}
			return nil
		})
		do(t, d, func(tx store.Tx) error {
			for j := i; j < i+20; j++ {
				if err := d.AddMember(tx, tenant, fmt.Sprintf("g%04d", j), userID); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if got, err := transitiveGroups(t, d, tenant, userID); !errors.Is(err, directory.ErrTooManyGroups) {
		t.Errorf("%d groups, %v", len(got), err)
	}
}

func TestPrincipalTypes(t *testing.T) {
	d := withGroups(t, "a")
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()), d.CreateApplication(tx, application()))
	})
	for id, want := range map[string]string{
		userID: "User", "a": "Group", object: "ServicePrincipal", directory.FirstPartyPrincipals(tenant)[0].ID: "ServicePrincipal", appOID: "", "none": "",
	} {
		got, err := d.PrincipalType(t.Context(), tenant, id)
		if got != want || (want == "") != errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
}

func TestDirectoryRoles(t *testing.T) {
	d := withGroups(t, "a")
	assign := func(role, who string) error {
		return update(t, d, func(tx store.Tx) error { return d.AssignDirectoryRole(tx, tenant, role, who) })
	}
	for _, test := range []struct {
		role, who string
		want      error
	}{
		{directory.DirectoryReaders, userID, nil},
		{directory.DirectoryReaders, userID, directory.ErrExists},
		{directory.DirectoryReaders, "a", directory.ErrInvalid},
		{directory.DirectoryReaders, "none", directory.ErrNotFound},
		{"a", userID, directory.ErrNotFound},
	} {
		if err := assign(test.role, test.who); !errors.Is(err, test.want) {
			t.Errorf("%s to %s: %v, want %v", test.role, test.who, err, test.want)
		}
	}
	got, err := view(t, d, func(tx store.Tx) ([]string, error) { return d.DirectoryRoles(tx, tenant, userID) })
	if err != nil || !slices.Equal(got, []string{directory.DirectoryReaders}) {
		t.Errorf("%v, %v", got, err)
	}
	do(t, d, func(tx store.Tx) error { return d.RemoveDirectoryRole(tx, tenant, directory.DirectoryReaders, userID) })
	if got, err := view(t, d, func(tx store.Tx) ([]string, error) { return d.DirectoryRoles(tx, tenant, userID) }); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// BenchmarkTransitiveGroups reads the groups of a member of 5 nested groups, as every request does.
func BenchmarkTransitiveGroups(b *testing.B) {
	d := withGroups(b, "a", "b", "c", "d", "e")
	for _, link := range [][2]string{{"a", userID}, {"b", "a"}, {"c", "b"}, {"d", "c"}, {"e", userID}} {
		add(b, d, link[0], link[1])
	}
	for b.Loop() {
		err := d.Store.View(b.Context(), func(tx store.Tx) error {
			if got, err := d.GroupsOf(tx, tenant, userID); err != nil || len(got) != 5 {
				b.Error(got, err)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestGroupsOfALookUpAreThoseOfTheDirectory changes memberships and groups at random, and compares the groups that
// are kept for requests with those that are read anew.
func TestGroupsOfALookUpAreThoseOfTheDirectory(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	d := withGroups(t, names...)
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(rt, "changes") {
			group := rapid.SampledFrom(names).Draw(rt, "group")
			member := rapid.SampledFrom(append([]string{userID}, names...)).Draw(rt, "member")
			change := rapid.SampledFrom([]func(tx store.Tx) error{
				func(tx store.Tx) error { return d.AddMember(tx, tenant, group, member) },
				func(tx store.Tx) error { return d.AddMember(tx, tenant, group, member) },
				func(tx store.Tx) error { return d.RemoveMember(tx, tenant, group, member) },
				func(tx store.Tx) error { return d.DeleteGroup(tx, tenant, group) },
				func(tx store.Tx) error {
					return d.CreateGroup(tx, directory.Group{ID: group, TenantID: tenant, DisplayName: group})
				},
			}).Draw(rt, "change")
			_, _ = d.Store.Update(t.Context(), change) // some are refused
			err := d.Store.View(t.Context(), func(tx store.Tx) error {
				for _, oid := range append([]string{userID}, names...) {
					got, err := d.GroupsOf(tx, tenant, oid)
					want, wantErr := d.TransitiveMemberOf(tx, tenant, oid)
					if !slices.Equal(got, want) || err != nil || wantErr != nil {
						rt.Fatalf("groups of %s: %v, %v; want %v, %v", oid, got, err, want, wantErr)
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// transitiveGroups reads the groups in a transaction of its own.
func transitiveGroups(t testing.TB, d *directory.Directory, tenant, oid string) (groups []string, err error) {
	err = d.Store.View(t.Context(), func(tx store.Tx) error {
		groups, err = d.TransitiveMemberOf(tx, tenant, oid)
		return err
	})
	return groups, err
}
