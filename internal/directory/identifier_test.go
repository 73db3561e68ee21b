package directory_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/directory"
	"midas/internal/store"
)

func withDomain(t testing.TB) *directory.Directory {
	t.Helper()
	d := newDirectory(t)
	d.Hosts = []string{"midas.contoso.example", "midas.corp", "fd00::7"}
	do(t, d, func(tx store.Tx) error {
		return d.PutTenant(tx, directory.Tenant{ID: tenant, DefaultDomain: "contoso.example"})
	})
	return d
}

// reservedURIs are identifier URIs that no application may have.
func reservedURIs() []string {
	uris := []string{
		"https://graph.microsoft.com", "https://graph.microsoft.com/", "https://graph.microsoft.com/v1.0", "https://GRAPH.Microsoft.com",
		"https://graph.microsoft.com:443", "https://graph.microsoft.com:443/", "https://graph.microsoft.com.", "http://graph.microsoft.com",
		"https://graph.microsoft.com@contoso.example", "https://contoso.example@graph.microsoft.com", "https://graph.microsoft.com?x=1",
		"api://graph.microsoft.com", "https:graph.microsoft.com", "https:///graph.microsoft.com", `https:\\graph.microsoft.com`, "https://graph%2emicrosoft.com",
		"https://management.azure.com/", "https://management.core.windows.net/", "https://vault.azure.net", "https://mine.vault.azure.net",
		"https://storage.azure.com/", "https://account.blob.core.windows.net", "https://database.windows.net/", "https://servicebus.azure.net",
		"https://ossrdbms-aad.database.windows.net", "https://graph.windows.net", "https://vault.usgovcloudapi.net", "https://vault.azure.cn",
		"https://login.microsoftonline.com", "https://sts.windows.net/x/", "urn:ms-drs:enterpriseregistration.windows.net",
		"api://AzureADTokenExchange", "api://azureadtokenexchangeusgov/", "https://outlook.office365.com",
		"https://api.botframework.com", "https://datalake.azuredatalakestore.net/", "https://api.powerplatform.com", "https://service.powerapps.com/", "https://onenote.com",
		"api://" + directory.GraphAppID, "api://" + strings.ToUpper(directory.ARMAppID), "api://00000002-0000-0000-c000-000000000000/x",
		"api://cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "spn:" + directory.GraphAppID, "api://" + directory.AzureCLIAppID,
		"https://localhost:8443", "https://localhost", "https://LOCALHOST:8443/", "https://127.0.0.1:8443", "https://[::1]:8443", "https://[fd00::7]/",
		"https://midas.contoso.example", "https://midas.contoso.example:8443/x", "https://midas.corp.:9", "http://user:pw@midas.corp/",
		"https://midas.corp\tx", "https://grap\u212a.example", "https://gr\u0430ph.microsoft.com", "https://\u0130.example",
		"api://" + other, "api://" + object + "/x", "https://" + object,
	}
	return uris
}

func named(uris ...string) directory.Application {
	a := application()
	a.IdentifierURIs = uris
	return a
}

func TestReservedIdentifierURIs(t *testing.T) {
	for _, uri := range reservedURIs() {
		t.Run(uri, func(t *testing.T) {
			d := withDomain(t)
			err := update(t, d, func(tx store.Tx) error { return d.CreateApplication(tx, named(uri)) })
			if !errors.Is(err, directory.ErrReservedURI) && !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("created: %v", err)
			}
			do(t, d, func(tx store.Tx) error { return d.CreateApplication(tx, application()) })
			err = update(t, d, func(tx store.Tx) error { return d.UpdateApplication(tx, named(uri)) })
			if !errors.Is(err, directory.ErrReservedURI) && !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("updated: %v", err)
			}
		})
	}
}

// A reserved URI in a record of an earlier version names no resource, and the record can still be updated.
func TestStoredReservedURIsAreIgnored(t *testing.T) {
	for _, uri := range reservedURIs() {
		d := withDomain(t)
		do(t, d, func(tx store.Tx) error {
			return errors.Join(d.CreateApplication(tx, application()), d.CreateServicePrincipal(tx, principal()))
		})
		a := named(uri)
		do(t, d, func(tx store.Tx) error {
			record, err := json.Marshal(struct {
				V int `json:"v"`
				directory.Application
			}{1, a})
			tx.Put("d/"+tenant+"/app/"+client, record)
			tx.Put("d/"+tenant+"/app-uri/"+strings.ToLower(uri), []byte(`{"v":1,"id":"`+client+`"}`))
			return err
		})
		for _, audience := range []string{uri, uri + "/", strings.TrimSuffix(uri, "/"), strings.ToUpper(uri)} {
			got, err := view(t, d, func(tx store.Tx) (directory.ServicePrincipal, error) { return d.Resource(tx, tenant, audience) })
			if err == nil && !got.FirstParty || err != nil && !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%q is %q, %v", audience, got.DisplayName, err)
			}
			if d.HasIdentifier(a, audience) {
				t.Errorf("%q identifies the application", audience)
			}
		}
		a.DisplayName = "renamed"
		do(t, d, func(tx store.Tx) error { return d.UpdateApplication(tx, a) })
	}
}

func TestVerifiedIdentifierURIs(t *testing.T) {
	d := withDomain(t)
	for uri, verified := range map[string]bool{
		"api://" + client: true, "api://" + client + "/read": true, "api://" + strings.ToUpper(client): true,
		"api://" + tenant + "/orders": true, "api://" + tenant: false, "api://" + tenant + "/": false,
		"https://contoso.example": true, "https://api.contoso.example/v1": true, "https://API.Contoso.Example:8080/": true,
		"api://contoso.example": true, "api://orders.contoso.example/x": true, "api://midas.contoso.example": true,
		"http://contoso.example": false, "https://contoso.example.evil.test": false, "https://evilcontoso.example": false,
		"https://fabrikam.example": false, "api://files": false, "urn:files": false, "ftp://contoso.example": false,
		"https://evil.test/contoso.example": false, "https://evil.test?contoso.example": false,
	} {
		err := update(t, d, func(tx store.Tx) error { return d.CheckVerified(tx, named(uri)) })
		if (err == nil) != verified || err != nil && !errors.Is(err, directory.ErrUnverifiedDomain) {
			t.Errorf("%s: %v", uri, err)
		}
		if err := update(t, d, func(tx store.Tx) error {
			return errors.Join(d.CreateApplication(tx, named(uri)), errRollback)
		}); !errors.Is(err, errRollback) || errors.Is(err, directory.ErrReservedURI) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	// It keeps the URIs that it has.
	do(t, d, func(tx store.Tx) error { return d.CreateApplication(tx, named("api://files")) })
	do(t, d, func(tx store.Tx) error { return d.CheckVerified(tx, named("API://files", "https://contoso.example")) })
	if err := update(t, d, func(tx store.Tx) error { return d.CheckVerified(tx, named("api://files", "api://more")) }); !errors.Is(err, directory.ErrUnverifiedDomain) {
		t.Error(err)
	}
}

var errRollback = errors.New("roll back")

// A reserved host is refused in every spelling.
func TestReservedHostsInOtherSpellings(t *testing.T) {
	d := withDomain(t)
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"graph.microsoft.com", "vault.azure.net", "localhost", "midas.corp", "management.azure.com", "127.0.0.1"}).Draw(t, "host")
		cased := []byte(host)
		for i := range cased {
			if rapid.Bool().Draw(t, "upper") && cased[i] >= 'a' && cased[i] <= 'z' {
				cased[i] -= 'a' - 'A'
			}
		}
		uri := rapid.SampledFrom([]string{"https", "HTTPS", "http", "ftp", "urn", "x"}).Draw(t, "scheme") + ":" +
			rapid.SampledFrom([]string{"", "/", "//", "///"}).Draw(t, "slashes") + rapid.SampledFrom([]string{"", "u@", "u:p@"}).Draw(t, "user") +
			string(cased) + rapid.SampledFrom([]string{"", ".", ":443", ":8443", ":", ".:1"}).Draw(t, "port") +
			rapid.SampledFrom([]string{"", "/", "/v1.0", "?q", "/../x"}).Draw(t, "path")
		_, err := d.Store.Update(t.Context(), func(tx store.Tx) error { return errors.Join(d.CreateApplication(tx, named(uri)), errRollback) })
		if !errors.Is(err, directory.ErrReservedURI) && !errors.Is(err, directory.ErrInvalid) {
			t.Fatalf("%s: %v", uri, err)
		}
	})
}
