package directory_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

const (
	writer = "d1c2ade8-0000-4000-8000-000000000001"
	reader = "d1c2ade8-0000-4000-8000-000000000002"
	off    = "d1c2ade8-0000-4000-8000-000000000003"
)

// withRoles creates a resource api://files with app roles, and a managed identity "mi".
func withRoles(t *testing.T) *directory.Directory {
	d := withGroups(t, "a", "b")
	app := application()
	both := []string{"User", "Application"}
	app.IdentifierURIs = []string{"api://files"}
	app.AppRoles = []directory.AppRole{
		{ID: writer, Value: "Write", AllowedMemberTypes: both, Enabled: true},
		{ID: reader, Value: "Read", AllowedMemberTypes: both[:1], Enabled: true},
		{ID: off, Value: "Off", AllowedMemberTypes: both},
	}
	mi := principal()
	mi.ID, mi.AppID, mi.Type = "mi", "mi-app", directory.TypeManagedIdentity
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateApplication(tx, app), d.CreateServicePrincipal(tx, principal()), d.CreateServicePrincipal(tx, mi))
	})
	return d
}

func assign(t *testing.T, d *directory.Directory, who, resource, role string) error {
	t.Helper()
	return update(t, d, func(tx store.Tx) error {
		_, err := d.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: who, ResourceID: resource, AppRoleID: role})
		return err
	})
}

func TestAppRoles(t *testing.T) {
	d := withRoles(t)
	add(t, d, "a", userID)
	add(t, d, "b", "a")
	graph := directory.FirstPartyPrincipals(tenant)[0].ID
	const applicationReadWrite = "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"
	for _, test := range []struct {
		who, resource, role string
		want                error
	}{
		{"mi", object, writer, nil},
		{"mi", object, writer, directory.ErrExists},
		{"mi", object, reader, directory.ErrInvalid}, // for people
		{"mi", object, off, directory.ErrInvalid},
		{"mi", object, "nonsense", directory.ErrInvalid},
		{"mi", "none", writer, directory.ErrNotFound},
		{"none", object, writer, directory.ErrNotFound},
		{appOID, object, writer, directory.ErrInvalid},
		{"mi", graph, applicationReadWrite, nil},
		{userID, graph, applicationReadWrite, directory.ErrInvalid},
		{"b", object, reader, nil},
		{userID, object, directory.DefaultAppRole, nil},
	} {
		if err := assign(t, d, test.who, test.resource, test.role); !errors.Is(err, test.want) {
			t.Errorf("%s of %s to %s: %v, want %v", test.role, test.resource, test.who, err, test.want)
		}
	}
	for _, test := range []struct {
		who, audience string
		want          []string
	}{
		{"mi", "api://files", []string{"Write"}},
		{"mi", "api://files/", []string{"Write"}},
		{"mi", client, []string{"Write"}},
		{"mi", "https://graph.microsoft.com", []string{"Application.ReadWrite.All"}},
		{"mi", "https://graph.microsoft.com/", []string{"Application.ReadWrite.All"}},
		{"mi", directory.GraphAppID, []string{"Application.ReadWrite.All"}},
		{"mi", "https://management.azure.com/", nil},
		{"mi", "api://other", nil},
		{userID, "api://files", []string{"Read"}}, // through b, through a
		{"nobody", "api://files", nil},
	} {
		got, err := d.AppRoles(t.Context(), tenant, test.who, test.audience)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("roles of %s for %s: %v, %v, want %v", test.who, test.audience, got, err, test.want)
		}
	}
	do(t, d, func(tx store.Tx) error { _, err := d.DeleteApplication(tx, tenant, appOID); return err })
	if got, err := d.AppRoles(t.Context(), tenant, "mi", "api://files"); err != nil || got != nil {
		t.Errorf("of an application that is gone: %v, %v", got, err)
	}
}

func TestFirstPartyObjectsExistAndCannotBeChanged(t *testing.T) {
	d := withRoles(t)
	for _, p := range directory.FirstPartyPrincipals(tenant) {
		got, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) {
			return d.ServicePrincipalByAppID(tx, tenant, p.AppID)
		})
		if err != nil || got.ID != p.ID {
			t.Errorf("%s: %v, %v", p.DisplayName, got, err)
		}
		if elsewhere := directory.FirstPartyPrincipals(other); slices.ContainsFunc(elsewhere, func(o directory.ServicePrincipal) bool { return o.ID == p.ID }) {
			t.Errorf("%s has one id in two tenants", p.DisplayName)
		}
		for name, change := range map[string]func(store.Tx) error{
			"update": func(tx store.Tx) error { return d.UpdateServicePrincipal(tx, got) },
			"delete": func(tx store.Tx) error { return d.DeleteServicePrincipal(tx, tenant, p.ID) },
			"owner":  func(tx store.Tx) error { return d.AddOwner(tx, tenant, p.ID, userID) },
		} {
			if err := update(t, d, change); !errors.Is(err, directory.ErrFirstParty) {
				t.Errorf("%s %s: %v", name, p.DisplayName, err)
			}
		}
		if err := update(t, d, func(tx store.Tx) error {
			return d.CreateApplication(tx, directory.Application{ID: "x", AppID: p.AppID, TenantID: tenant})
		}); !errors.Is(err, directory.ErrExists) {
			t.Errorf("an application with the client id of %s: %v", p.DisplayName, err)
		}
	}
	cli, err := view(t, d, func(tx store.Tx) (directory.Application, error) { return d.Client(tx, tenant, directory.AzureCLIAppID) })
	if err != nil || !cli.PublicClient || !cli.FirstParty || len(cli.Redirects.Public) == 0 {
		t.Errorf("%+v, %v", cli, err)
	}
	if _, err := d.Authenticate(t.Context(), tenant, directory.AzureCLIAppID, secret); !errors.Is(err, directory.ErrUnknownApplication) {
		t.Errorf("the CLI shows a secret: %v", err)
	}
}

func TestUpdatedApplicationKeepsItsPlaceAndFreesItsNames(t *testing.T) {
	d := withRoles(t)
	app, err := view(t, d, func(tx store.Tx) (directory.Application, error) { return d.Application(tx, tenant, appOID) })
	if err != nil {
		t.Fatal(err)
	}
	app.DisplayName, app.IdentifierURIs = "renamed", []string{"api://new"}
	do(t, d, func(tx store.Tx) error { return d.UpdateApplication(tx, app) })
	p, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) { return d.Resource(tx, tenant, "api://new") })
	if err != nil || p.DisplayName != "renamed" {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) { return d.Resource(tx, tenant, "api://files") }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the old name: %v", err)
	}
	if err := update(t, d, func(tx store.Tx) error {
		return d.CreateApplication(tx, directory.Application{ID: "x", AppID: "x", TenantID: tenant, IdentifierURIs: []string{"API://NEW"}})
	}); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a name twice: %v", err)
	}
	app.AppID = "other"
	if err := update(t, d, func(tx store.Tx) error { return d.UpdateApplication(tx, app) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("another client id: %v", err)
	}
}

// certificate returns a self-signed certificate.
func certificate(t *testing.T, public, private any) []byte {
	t.Helper()
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ci"}, NotBefore: now, NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificates(t *testing.T) {
	d := withRoles(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := certificate(t, &key.PublicKey, key)
	c, err := directory.NewCertificate("", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	do(t, d, func(tx store.Tx) error { return d.AddCertificate(tx, tenant, client, c) })
	if err := update(t, d, func(tx store.Tx) error { return d.AddCertificate(tx, tenant, client, c) }); !errors.Is(err, directory.ErrExists) {
		t.Errorf("the same again: %v", err)
	}
	app, err := view(t, d, func(tx store.Tx) (directory.Application, error) { return d.Client(tx, tenant, client) })
	if err != nil {
		t.Fatal(err)
	}
	for _, thumbprint := range [][]byte{c.SHA1, c.SHA256} {
		found, ok := app.Certificate(thumbprint)
		public, err := found.PublicKey()
		if !ok || err != nil || !public.Equal(&key.PublicKey) || !bytes.Equal(found.DER, der) {
			t.Errorf("%v, %v", ok, err)
		}
	}
	if _, ok := app.Certificate(nil); ok {
		t.Error("no thumbprint finds a certificate")
	}
	for moment, want := range map[time.Time]bool{now.Truncate(time.Second): true, now.Add(-time.Minute): true, now.Add(-10 * time.Minute): false, now.Add(time.Hour): false} {
		if got := app.Certificates[0].ValidAt(moment); got != want {
			t.Errorf("valid at %s: %v", moment, got)
		}
	}
	do(t, d, func(tx store.Tx) error { return d.RemoveCertificate(tx, tenant, client, app.Certificates[0].KeyID) })
	if err := update(t, d, func(tx store.Tx) error { return d.RemoveCertificate(tx, tenant, client, app.Certificates[0].KeyID) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("remove twice: %v", err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"nothing": nil, "nonsense": []byte("x"), "another kind of key": certificate(t, &ec.PublicKey, ec), "huge": make([]byte, 1<<20)} {
		if _, err := directory.NewCertificate("", data); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
