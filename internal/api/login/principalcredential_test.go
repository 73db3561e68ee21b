package login_test

import (
	"net/http"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// TestCredentialsOfServicePrincipalsAuthenticateTheApplication uses a secret and a certificate that only the
// application's service principal has.
func TestCredentialsOfServicePrincipalsAuthenticateTheApplication(t *testing.T) {
	f := newFixtureWithUsers(t)
	pairs, err := keyPairs()
	if err != nil {
		t.Fatal(err)
	}
	const own directory.SecretText = "a-secret-of-the-principal-0123456789"
	s, err := directory.NewSecret("sp-key", own, start.AddDate(-1, 0, 0), start.AddDate(50, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		if err := f.Directory.AddPrincipalSecret(tx, tenant, object, s); err != nil {
			return err
		}
		return f.Directory.AddPrincipalCertificate(tx, tenant, object, pairs[0].cert)
	})
	signed := func() string {
		a := f.assertion(pairs[0])
		a.claims["iss"], a.claims["sub"] = client, client
		return clientCredentialsForm("client_secret", "", "client_assertion_type", jwtBearer, "client_assertion", a.sign(t))
	}
	withSecret := clientCredentialsForm("client_secret", string(own))
	for name, form := range map[string]string{"secret": withSecret, "certificate": signed(), "the application's secret": clientCredentialsForm()} {
		if w := f.post(tokenV2, form); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	// They authenticate this application only, and no longer than they exist.
	f.refused(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "client_secret", string(own))), http.StatusUnauthorized, 7000215)
	last := signed()
	f.update(t, func(tx store.Tx) error {
		if err := f.Directory.RemovePrincipalSecret(tx, tenant, object, "sp-key"); err != nil {
			return err
		}
		p, err := f.Directory.ServicePrincipal(tx, tenant, object)
		if err != nil {
			return err
		}
		return f.Directory.RemovePrincipalCertificate(tx, tenant, object, p.Certificates[0].KeyID)
	})
	f.refused(t, f.post(tokenV2, withSecret), http.StatusUnauthorized, 7000215)
	f.refused(t, f.post(tokenV2, last), http.StatusUnauthorized, 700027)
}
