package witness_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"midas"
	"midas/internal/agent"
	"midas/midastest"
)

// A workload of one Midas is a workload of another one: its agent keeps a token in a file, and the unmodified
// WorkloadIdentityCredential exchanges the file at the other server.
func TestAnotherMidasTrustsATokenFile(t *testing.T) {
	const audience = "https://other.corp"
	home := start(t)
	home.group(t, "rg")
	worker := home.identity(t, "rg", "worker")
	file := filepath.Join(t.TempDir(), "token")
	a, err := agent.Open(t.Context(), agent.ServerConfig{
		State: home.enrolled(t, home.vm(t, "web1", *worker.ID)), Log: slog.New(slog.DiscardHandler),
		TokenFiles: []agent.TokenFile{{Audience: audience, Path: file}},
	})
	check(t, err)
	a.Start()
	t.Cleanup(func() { _ = a.Close() })
	within(t, 10*time.Second, "the token file", func() bool { _, err := os.Stat(file); return err == nil })

	issuer := home.Endpoint + "/" + home.TenantID + "/"
	keys := filepath.Join(t.TempDir(), "jwks.json")
	var set strings.Builder
	check(t, midas.ExportKeys(t.Context(), midas.Config{Data: filepath.Dir(home.CAFile), Store: "memory:"}, false, &set))
	check(t, os.WriteFile(keys, []byte(set.String()), 0o600))
	for name, trust := range map[string]midas.IssuerConfig{
		"reachable": {Issuer: issuer, CA: home.CAFile, Private: true}, "exported keys": {Issuer: issuer, JWKS: keys},
	} {
		t.Run(name, func(t *testing.T) {
			other := watch(t, midastest.Start(t, midastest.With(func(c *midas.Config) { c.Issuers = []midas.IssuerConfig{trust} })))
			other.group(t, "rg")
			guest := other.identity(t, "rg", "guest")
			_, err := other.msi(t).NewFederatedIdentityCredentialsClient().CreateOrUpdate(t.Context(), "rg", "guest", "home",
				federated(issuer, *worker.Properties.PrincipalID, audience), nil)
			check(t, err)
			credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: other.client(), DisableInstanceDiscovery: true,
				TenantID: other.TenantID, ClientID: *guest.Properties.ClientID, TokenFilePath: file,
			})
			check(t, err)
			got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{midastest.Management + "/.default"}})
			check(t, err)
			if claims := decoded(t, strings.Split(got.Token, ".")[1]); claims["oid"] != *guest.Properties.PrincipalID {
				t.Errorf("%v", claims)
			}
		})
	}
}
