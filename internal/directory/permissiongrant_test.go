package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// granting returns a directory with a client, a resource and a user.
func granting(t testing.TB) (*directory.Directory, func(func(tx store.Tx) error)) {
	d := newDirectory(t)
	update := func(fn func(tx store.Tx) error) {
		t.Helper()
		if _, err := d.Store.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx store.Tx) error {
		return errors.Join(
			d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "client", AppID: "client-app", TenantID: tenant, Type: directory.TypeApplication, Enabled: true}),
			d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "other", AppID: "other-app", TenantID: tenant, Type: directory.TypeApplication, Enabled: true}),
			d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "resource", AppID: "resource-app", TenantID: tenant, Type: directory.TypeApplication, Enabled: true}),
			d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "identity", AppID: "identity-app", TenantID: tenant, Type: directory.TypeManagedIdentity, Enabled: true}),
			d.CreateUser(tx, directory.User{ID: "user", TenantID: tenant, UserPrincipalName: "u@x.example"}, ""),
		)
	})
	return d, update
}

func personal(scope string) directory.PermissionGrant {
	return directory.PermissionGrant{TenantID: tenant, ClientID: "client", ResourceID: "resource", ConsentType: directory.ConsentPrincipal, PrincipalID: "user", Scope: scope}
}

func forAll(scope string) directory.PermissionGrant {
	g := personal(scope)
	g.ConsentType, g.PrincipalID = directory.ConsentAllPrincipals, ""
	return g
}

func TestPermissionGrants(t *testing.T) {
	d, update := granting(t)
	update(func(tx store.Tx) error {
		g, err := d.CreatePermissionGrant(tx, personal(" Read  Write read "))
		if err != nil || g.Scope != "Read Write" || len(g.ID) != 43 {
			t.Errorf("%v, %v", g, err)
		}
		return err
	})
	granted := func(tx store.Tx, user string) string {
		client, err := d.ServicePrincipal(tx, tenant, "client")
		resource, err2 := d.ServicePrincipal(tx, tenant, "resource")
		values, err3 := d.GrantedPermissions(tx, client, resource, user)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		return strings.Join(values, " ")
	}
	update(func(tx store.Tx) error {
		if _, err := d.CreatePermissionGrant(tx, personal("More")); !errors.Is(err, directory.ErrExists) {
			t.Errorf("a second grant: %v", err)
		}
		if got := granted(tx, "user"); got != "Read Write" {
			t.Errorf("granted %q", got)
		}
		if got := granted(tx, "somebody"); got != "" {
			t.Errorf("granted to somebody else: %q", got)
		}
		return nil
	})
	update(func(tx store.Tx) error {
		_, err := d.AddPermissions(tx, personal("Delete READ"))
		_, err2 := d.AddPermissions(tx, forAll("List"))
		return errors.Join(err, err2)
	})
	update(func(tx store.Tx) error {
		if got := granted(tx, "user"); got != "List Read Write Delete" {
			t.Errorf("granted %q", got)
		}
		if got := granted(tx, "somebody"); got != "List" {
			t.Errorf("granted to all %q", got)
		}
		for object, end := range map[string]directory.GrantEnd{"client": directory.GrantClient, "resource": directory.GrantResource, "user": directory.GrantUser} {
			all, err := d.PermissionGrantsOf(tx, tenant, end, object, "", 10)
			if want := map[string]int{"client": 2, "resource": 2, "user": 1}[object]; err != nil || len(all) != want {
				t.Errorf("%s: %v, %v", object, all, err)
			}
		}
		return nil
	})
}

func TestInvalidPermissionGrantsAreRejected(t *testing.T) {
	d, update := granting(t)
	change := func(fn func(*directory.PermissionGrant)) directory.PermissionGrant {
		g := personal("Read")
		fn(&g)
		return g
	}
	graph := directory.FirstPartyPrincipals(tenant)[0].ID
	for name, test := range map[string]struct {
		grant directory.PermissionGrant
		want  error
	}{
		"no client":              {change(func(g *directory.PermissionGrant) { g.ClientID = "nobody" }), directory.ErrNotFound},
		"no resource":            {change(func(g *directory.PermissionGrant) { g.ResourceID = "nobody" }), directory.ErrNotFound},
		"no user":                {change(func(g *directory.PermissionGrant) { g.PrincipalID = "nobody" }), directory.ErrNotFound},
		"user of another tenant": {change(func(g *directory.PermissionGrant) { g.TenantID = "t2" }), directory.ErrNotFound},
		"a principal as user":    {change(func(g *directory.PermissionGrant) { g.PrincipalID = "other" }), directory.ErrNotFound},
		"identity as client":     {change(func(g *directory.PermissionGrant) { g.ClientID = "identity" }), directory.ErrInvalid},
		"identity as resource":   {change(func(g *directory.PermissionGrant) { g.ResourceID = "identity" }), directory.ErrInvalid},
		"Graph as client":        {change(func(g *directory.PermissionGrant) { g.ClientID = graph }), directory.ErrInvalid},
		"no consent type":        {change(func(g *directory.PermissionGrant) { g.ConsentType = "" }), directory.ErrInvalid},
		"all, and a user":        {change(func(g *directory.PermissionGrant) { g.ConsentType = directory.ConsentAllPrincipals }), directory.ErrInvalid},
		"no scope":               {personal("  "), directory.ErrInvalid},
		"a long scope":           {personal(strings.Repeat("abcdefghi ", 386)), nil}, // the same value again and again
		"a scope too long":       {personal(strings.Repeat("x", 257)), directory.ErrInvalid},
		"a quote in the scope":   {personal(`Read "Write"`), directory.ErrInvalid},
		"a slash in the scope":   {personal(`https://x/Read`), directory.ErrInvalid},
		"not ASCII":              {personal("Réad"), directory.ErrInvalid},
	} {
		if test.want == nil {
			continue
		}
		update(func(tx store.Tx) error {
			if _, err := d.CreatePermissionGrant(tx, test.grant); !errors.Is(err, test.want) {
				t.Errorf("create, %s: %v", name, err)
			}
			return nil
		})
		update(func(tx store.Tx) error {
			if _, err := d.AddPermissions(tx, test.grant); !errors.Is(err, test.want) {
				t.Errorf("add, %s: %v", name, err)
			}
			return nil
		})
	}
	var long []string
	for i := range 400 {
		long = append(long, fmt.Sprintf("Scope%05d", i))
	}
	update(func(tx store.Tx) error {
		if _, err := d.CreatePermissionGrant(tx, personal(strings.Join(long, " "))); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("too many values: %v", err)
		}
		g, err := d.CreatePermissionGrant(tx, personal(strings.Join(long[:350], " ")))
		if err != nil {
			return err
		}
		_, err = d.AddPermissions(tx, personal(strings.Join(long[350:], " ")))
		if !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("too many values at last: %v", err)
		}
		if after, err := d.PermissionGrant(tx, tenant, g.ID); err != nil || after.Scope != g.Scope {
			t.Errorf("half written: %v", err)
		}
		return nil
	})
}

// TestPermissionGrantsAreLimited checks the limits for each user, and for each client for all users.
func TestPermissionGrantsAreLimited(t *testing.T) {
	d, update := granting(t)
	const most = 1_000
	for i := range most + 1 {
		id := fmt.Sprintf("resource%d", i)
		var err, err2 error
		update(func(tx store.Tx) error {
			p := directory.ServicePrincipal{ID: id, AppID: id, TenantID: tenant, Type: directory.TypeApplication}
			if err := d.CreateServicePrincipal(tx, p); err != nil {
				return err
			}
			mine, all := personal("Read"), forAll("Read")
			mine.ResourceID, all.ResourceID = id, id
			_, err = d.CreatePermissionGrant(tx, mine)
			_, err2 = d.CreatePermissionGrant(tx, all)
			return nil
		})
		if full := i == most; errors.Is(err, directory.ErrTooManyGrants) != full || errors.Is(err2, directory.ErrTooManyGrants) != full {
			t.Fatalf("grant %d: %v, %v", i, err, err2)
		}
	}
}

// TestDeletedObjectsLoseTheirPermissionGrants deletes a client, a resource and a user, each with many grants.
func TestDeletedObjectsLoseTheirPermissionGrants(t *testing.T) {
	for _, end := range []string{"client", "resource", "user"} {
		d, update := granting(t)
		for i := range 120 {
			id := fmt.Sprintf("more%d", i)
			update(func(tx store.Tx) error {
				g := personal("Read")
				switch end {
				case "user":
					g.ResourceID = id
				default:
					g.PrincipalID = id
				}
				err := errors.Join(
					d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: id, AppID: id, TenantID: tenant, Type: directory.TypeApplication}),
					d.CreateUser(tx, directory.User{ID: id + "u", TenantID: tenant, UserPrincipalName: id + "@x.example"}, ""),
				)
				if g.PrincipalID == id {
					g.PrincipalID = id + "u"
				}
				_, err2 := d.CreatePermissionGrant(tx, g)
				return errors.Join(err, err2)
			})
		}
		stays := personal("Read")
		stays.ClientID = "other"
		if end == "user" {
			stays = forAll("Read")
		} else if end == "resource" {
			stays.ResourceID = "more1"
		}
		update(func(tx store.Tx) error { _, err := d.CreatePermissionGrant(tx, stays); return err })
		if err := d.Unlink(t.Context(), tenant, end); err != nil {
			t.Fatal(err)
		}
		update(func(tx store.Tx) error {
			all, err := d.PermissionGrants(tx, tenant, "", 0)
			if len(all) != 1 || all[0].ClientID != stays.ClientID {
				t.Errorf("%s: %d grants stay", end, len(all))
			}
			for rec, err := range tx.Scan(store.Range{Prefix: "d/" + tenant + "/permission-grant-"}) {
				if err != nil {
					return err
				}
				if !strings.HasSuffix(rec.Key, strings.ToLower(all[0].ID)) {
					t.Errorf("%s: look-up key %s stays", end, rec.Key)
				}
			}
			return err
		})
	}
}

// TestFirstPartyPermissions checks the properties of the table that consent relies on. A person may consent to
// writing the files and sites that the person can write, as in Entra.
func TestFirstPartyPermissions(t *testing.T) {
	d, update := granting(t)
	consentable := []string{"Files.ReadWrite.All", "Notes.ReadWrite.All", "Sites.ReadWrite.All"}
	update(func(tx store.Tx) error {
		for _, p := range directory.FirstPartyPrincipals(tenant) {
			all, err := d.PermissionsOf(tx, p)
			if err != nil {
				return err
			}
			var ids, values []string
			for _, one := range all {
				ids, values = append(ids, one.ID), append(values, one.Value)
				if len(one.ID) != 36 || one.Value == "" || one.UserName == "" || one.UserText == "" || one.AdminName == "" || !one.Enabled {
					t.Errorf("%+v", one)
				}
				if risky := strings.Contains(one.Value, "Write.All") || strings.HasPrefix(one.Value, "Directory") || strings.HasPrefix(one.Value, "RoleManagement"); risky && !one.NeedsAdmin() && !slices.Contains(consentable, one.Value) {
					t.Errorf("%s does not need an administrator", one.Value)
				}
			}
			slices.Sort(ids)
			slices.Sort(values)
			if len(slices.Compact(ids)) != len(all) || len(slices.Compact(values)) != len(all) {
				t.Errorf("%s: an id or value is there twice", p.DisplayName)
			}
		}
		return nil
	})
}
