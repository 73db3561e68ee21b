package bindingproxy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"midas/internal/bindingproxy"
	"midas/internal/bindingproxy/clustertest"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// replace puts a file in another's place with a new modification time, as the kubelet does.
func replace(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".next"
	write(t, next, text)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(next, later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// A renewed certificate is used for the next connection, and a broken one is not.
func TestTheCertificateIsReadAgain(t *testing.T) {
	w := start(t)
	certificate, key := selfSigned(t, sni)
	replace(t, w.cfg.Certificate, "broken")
	w.client.CloseIdleConnections()
	if got := w.post(t, w.form()); got.status != 200 {
		t.Errorf("with the earlier certificate: %d", got.status)
	}
	replace(t, w.cfg.Key, key)
	replace(t, w.cfg.Certificate, certificate+"\n")
	w.client = clientFor(t, certificate)
	if got := w.post(t, w.form()); got.status != 200 {
		t.Errorf("with the new certificate: %d", got.status)
	}
}

// The proxy's own tokens are read for each request, so those of the kubelet's renewal count.
func TestTokensAreReadAgain(t *testing.T) {
	w := start(t)
	form := w.form()
	write(t, w.cfg.APIServerToken, w.cluster.Token(own, -time.Hour, clustertest.APIAudience))
	if got := w.post(t, form); got.status != 503 {
		t.Errorf("with an expired token for the API server: %d", got.status)
	}
	write(t, w.cfg.APIServerToken, w.cluster.Token(own, time.Hour, clustertest.APIAudience)+"\n")
	renewed := w.cluster.Token(own, time.Hour, exchangeAudience)
	write(t, w.cfg.Assertion, renewed)
	if got := w.post(t, form); got.status != 200 {
		t.Errorf("with new ones: %d", got.status)
	}
	if all := w.endpoint.requests(); len(all) != 1 || all[0].form.Get("client_assertion") != renewed {
		t.Errorf("%d requests", len(all))
	}
	write(t, w.cfg.Assertion, strings.Repeat("x", 17<<10))
	if got := w.post(t, form); got.status != 503 {
		t.Errorf("with a file that is no token: %d", got.status)
	}
}

// New CA certificates count for the next request; a file that is empty for a moment changes nothing.
func TestCACertificatesAreReadAgain(t *testing.T) {
	w := start(t)
	good := read(t, w.cfg.AuthorityCA)
	write(t, w.cfg.AuthorityCA, "")
	if got := w.post(t, w.form()); got.status != 200 {
		t.Errorf("during a change: %d", got.status)
	}
	foreign, _ := selfSigned(t, "other.example")
	write(t, w.cfg.AuthorityCA, foreign)
	if got := w.post(t, w.form()); got.status != 503 {
		t.Errorf("with the CA of another server: %d", got.status)
	}
	write(t, w.cfg.AuthorityCA, good)
	if got := w.post(t, w.form()); got.status != 200 {
		t.Errorf("with the right CA again: %d", got.status)
	}
}

// A mistake in the configuration is an error of the start, with words.
func TestConfigurationsThatDoNotStart(t *testing.T) {
	w := start(t)
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for name, c := range map[string]struct {
		change func(*bindingproxy.Config)
		want   string
	}{
		"no tenant":           {func(c *bindingproxy.Config) { c.Tenants = nil }, "no tenant"},
		"a tenant by name":    {func(c *bindingproxy.Config) { c.Tenants = []string{"midas.localhost"} }, "is not a GUID"},
		"Midas in clear":      {func(c *bindingproxy.Config) { c.Authority = "http://midas.example" }, "not https://HOST"},
		"Midas with a path":   {func(c *bindingproxy.Config) { c.Authority = "https://midas.example/adfs" }, "not https://HOST"},
		"not in a cluster":    {func(c *bindingproxy.Config) { c.APIServer = "" }, "KUBERNETES_SERVICE_HOST"},
		"no CA":               {func(c *bindingproxy.Config) { c.AuthorityCA = empty }, "no certificate"},
		"no token":            {func(c *bindingproxy.Config) { c.Assertion = empty }, "it is empty"},
		"no certificate":      {func(c *bindingproxy.Config) { c.Certificate = empty }, "read the certificate"},
		"an expired address":  {func(c *bindingproxy.Config) { c.Listen = "127.0.0.1" }, "missing port"},
		"a file that is none": {func(c *bindingproxy.Config) { c.APIServerToken = empty + "x" }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			c.change(&cfg)
			if server, err := bindingproxy.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v lacks %q", err, c.want)
				if server != nil {
					_ = server.Close()
				}
			}
		})
	}
}

// The documents name the authority that the client believes in, and no other tenant.
func TestDiscoveryDocuments(t *testing.T) {
	w := start(t)
	get := func(path, host string) reply {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		return w.send(t, r)
	}
	const unknown = "22222222-2222-4222-8222-222222222222"
	configuration := "/" + tenant + "/v2.0/.well-known/openid-configuration"
	authorize := "/common/discovery/instance?api-version=1.1&authorization_endpoint="
	for name, c := range map[string]struct {
		path, host     string
		status, number int
		issuer         string
	}{
		"the tenant":            {configuration, "login.microsoftonline.com", 200, 0, "login.microsoftonline.com"},
		"at Midas":              {configuration, "midas.example:8443", 200, 0, "midas.example:8443"},
		"by the proxy's name":   {configuration, sni + ":443", 200, 0, "login.microsoftonline.com"},
		"by an address":         {configuration, "127.0.0.1:8443", 200, 0, "login.microsoftonline.com"},
		"another tenant":        {"/" + unknown + "/v2.0/.well-known/openid-configuration", "login.microsoftonline.com", 400, 90002, ""},
		"an authority":          {authorize + "https://midas.example/" + tenant + "/oauth2/v2.0/authorize", "login.microsoftonline.com", 200, 0, ""},
		"an authority in clear": {authorize + "http://midas.example/" + tenant + "/oauth2/v2.0/authorize", "login.microsoftonline.com", 400, 50049, ""},
		"of another tenant":     {authorize + "https://midas.example/" + unknown + "/oauth2/v2.0/authorize", "login.microsoftonline.com", 400, 90002, ""},
		"no authority":          {"/common/discovery/instance", "login.microsoftonline.com", 400, 50049, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := get(c.path, c.host)
			if c.issuer != "" && got.body.Issuer != "https://"+c.issuer+"/"+tenant+"/v2.0" {
				t.Errorf("the issuer is %s", got.body.Issuer)
			}
			if got.status != c.status || got.number() != c.number || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %+v", got.status, got.body)
			}
		})
	}
}

// An unmodified azidentity trusts the proxy by the CA certificates in a variable, and by those that a file has now.
func TestAzidentityTrustsTheCAOfItsVariables(t *testing.T) {
	w := start(t)
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	write(t, file, w.token())
	certificate, key := selfSigned(t, sni)
	trusted := filepath.Join(t.TempDir(), "ca.crt")
	write(t, trusted, read(t, w.ca))
	credential := func(variable, value string) *azidentity.WorkloadIdentityCredential {
		t.Setenv("AZURE_KUBERNETES_CA_FILE", "")
		t.Setenv("AZURE_KUBERNETES_CA_DATA", "")
		for name, value := range map[string]string{
			"AZURE_CLIENT_ID": clientID, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": file,
			"AZURE_KUBERNETES_TOKEN_PROXY": w.server.URL(), "AZURE_KUBERNETES_SNI_NAME": sni, variable: value,
		} {
			t.Setenv(name, value)
		}
		made, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			EnableAzureProxy: true, ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	token := func(of *azidentity.WorkloadIdentityCredential, scope string) error {
		_, err := of.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
		return err
	}
	byData, byFile := credential("AZURE_KUBERNETES_CA_DATA", read(t, w.ca)), credential("AZURE_KUBERNETES_CA_FILE", trusted)
	for name, c := range map[string]*azidentity.WorkloadIdentityCredential{"data": byData, "file": byFile} {
		if err := token(c, scope); err != nil {
			t.Errorf("by %s: %v", name, err)
		}
	}
	write(t, trusted, read(t, trusted)+certificate)
	replace(t, w.cfg.Key, key)
	replace(t, w.cfg.Certificate, certificate)
	if err := token(byFile, "https://graph.microsoft.com/.default"); err != nil {
		t.Errorf("after the change of the CA: %v", err)
	}
	if err := token(credential("AZURE_KUBERNETES_CA_DATA", read(t, w.cfg.APIServerCA)), scope); err == nil {
		t.Error("it trusts another CA")
	}
}

// All files are replaced while requests run, as the kubelet does it. No request fails.
func TestFilesChangeWhileRequestsRun(t *testing.T) {
	w := start(t)
	certificate, key := selfSigned(t, sni)
	pairs := [2][2]string{{read(t, w.cfg.Certificate), read(t, w.cfg.Key)}, {certificate, key}}
	form := w.form()
	ended := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				each := *w
				each.client = clientFor(t, pairs[0][0]+pairs[1][0]) // a connection of its own
				if got := each.post(t, form); got.status != http.StatusOK {
					t.Errorf("%d %+v", got.status, got.body)
				}
				each.client.CloseIdleConnections()
			}
		})
	}
	authority, api := read(t, w.cfg.AuthorityCA), read(t, w.cfg.APIServerCA)
	for i := range 40 {
		pair := pairs[i%2]
		for file, text := range map[string]string{
			w.cfg.Certificate: pair[0], w.cfg.Key: pair[1], w.cfg.AuthorityCA: authority + pair[0], w.cfg.APIServerCA: pair[0] + api,
			w.cfg.Assertion:      w.cluster.Token(own, time.Hour, exchangeAudience),
			w.cfg.APIServerToken: w.cluster.Token(own, time.Hour, clustertest.APIAudience),
		} {
			replace(t, file, text)
		}
	}
	close(ended)
	all.Wait()
}
