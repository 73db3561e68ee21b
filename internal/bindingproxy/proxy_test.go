package bindingproxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"midas/internal/bindingproxy"
)

// The unmodified SDK gets a token with nothing but the variables and files of a pod, whatever authority it believes in.
// Nothing of its requests leaves for that authority.
func TestAzidentityGetsATokenThroughTheProxy(t *testing.T) {
	w := start(t)
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	token := w.token()
	write(t, file, token)
	for name, authority := range map[string]string{"Azure's own authority": "https://login.microsoftonline.com/", "Midas": "https://midas.example:8443/", "Midas without a slash": "https://midas.example"} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range map[string]string{
				"AZURE_CLIENT_ID": clientID, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": authority,
				"AZURE_KUBERNETES_TOKEN_PROXY": w.server.URL(), "AZURE_KUBERNETES_SNI_NAME": sni, "AZURE_KUBERNETES_CA_FILE": w.ca, "HTTPS_PROXY": "",
			} {
				t.Setenv(variable, value)
			}
			credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{EnableAzureProxy: true})
			if err != nil {
				t.Fatal(err)
			}
			before := len(w.endpoint.requests())
			got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}, EnableCAE: true})
			if err != nil {
				t.Fatal(err)
			}
			if want := "granted.to." + clientID; got.Token != want {
				t.Errorf("got %q, want %q", got.Token, want)
			}
			all := w.endpoint.requests()[before:]
			if len(all) != 1 {
				t.Fatalf("%d requests reached Midas", len(all))
			}
			sent := all[0]
			if sent.path != "/"+tenant+"/oauth2/v2.0/token" {
				t.Error(sent.path)
			}
			if names := slices.Sorted(keys(sent.form)); strings.Join(names, " ") != "claims client_assertion client_assertion_type client_id grant_type scope" {
				t.Errorf("it sent %v", names)
			}
			if sent.form.Get("client_assertion") == token || sent.form.Get("client_assertion") == "" {
				t.Error("it sent the pod's token")
			}
			if !strings.Contains(sent.form.Get("claims"), `"CP1"`) {
				t.Errorf("claims %s", sent.form.Get("claims"))
			}
		})
	}
}

func keys(form url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range form {
			if !yield(k) {
				return
			}
		}
	}
}

// A refusal reaches the program as an error with Azure's number and with words.
func TestAzidentityIsToldWhyItGetsNoToken(t *testing.T) {
	w := start(t)
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	write(t, file, w.token())
	for variable, value := range map[string]string{
		"AZURE_CLIENT_ID": other, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": "",
		"AZURE_KUBERNETES_TOKEN_PROXY": w.server.URL(), "AZURE_KUBERNETES_SNI_NAME": sni, "AZURE_KUBERNETES_CA_FILE": w.ca,
	} {
		t.Setenv(variable, value)
	}
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{EnableAzureProxy: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	for _, want := range []string{"401", "invalid_client", "AADSTS700213", "system:serviceaccount:shop:web", "use-managed-identity for cid.wi.aks.azure.com/" + other} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if n := len(w.endpoint.requests()); n != 0 {
		t.Errorf("%d requests reached Midas", n)
	}
}

// The client id is compared in lower case, as roles have it.
func TestClientIDsMayBeInUpperCase(t *testing.T) {
	w := start(t)
	form := w.form()
	form.Set("client_id", strings.ToUpper(clientID))
	if got := w.post(t, form); got.status != 200 || got.body.AccessToken != "granted.to."+clientID {
		t.Errorf("%d %+v", got.status, got.body)
	}
}

// Both versions of HTTP work, with the same limits.
func TestBothVersionsOfHTTP(t *testing.T) {
	w := start(t)
	if got := w.post(t, w.form()); got.status != 200 || got.proto != 2 {
		t.Errorf("HTTP/%d: %d", got.proto, got.status)
	}
	transport := w.client.Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2, transport.Protocols = false, new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.TLSClientConfig.NextProtos = nil
	w.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	if got := w.post(t, w.form()); got.status != 200 || got.proto != 1 {
		t.Errorf("HTTP/%d: %d", got.proto, got.status)
	}
}

// What Midas answers reaches the pod; what is no answer of a token endpoint does not.
func TestAnswersOfMidas(t *testing.T) {
	w := start(t)
	refused := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer         http.HandlerFunc
		status, number int
		retry          string
	}{
		"a refusal":                         {refused(401, `{"error":"invalid_client","error_codes":[70025],"error_description":"AADSTS70025: The client has none."}`), 401, 70025, "7"},
		"too many requests":                 {refused(429, `{"error":"temporarily_unavailable","error_codes":[90055]}`), 429, 90055, "7"},
		"an outage":                         {refused(503, `{"error":"temporarily_unavailable","error_codes":[90033]}`), 503, 90033, "7"},
		"a page":                            {refused(502, `<html>bad gateway</html>`), 503, 90033, "1"},
		"200 without a token":               {refused(200, `{"error":"invalid_client"}`), 503, 90033, "1"},
		"a token with 201":                  {refused(201, `{"access_token":"x"}`), 503, 90033, "1"},
		"a redirect":                        {http.RedirectHandler("https://127.0.0.1:1/", http.StatusTemporaryRedirect).ServeHTTP, 503, 90033, "1"},
		"a refusal that quotes the request": {echoes(refused, 400, "none"), 503, 90033, "1"},
		"a token and the request":           {echoes(refused, 200, "access_token"), 503, 90033, "1"},
		"more than its bounds":              {refused(200, `{"access_token":"`+strings.Repeat("x", 300<<10)+`"}`), 503, 90033, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			w.endpoint.answers(c.answer)
			got := w.post(t, w.form())
			if got.status != c.status || got.number() != c.number || got.header.Get("Retry-After") != c.retry || got.header.Get("Set-Cookie") != "" || got.body.AccessToken != "" {
				t.Errorf("%d %+v %v", got.status, got.body, got.header)
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("a cache may keep it")
			}
		})
	}
	if strings.Contains(w.log.String(), "eyJ") {
		t.Error("the log has a token")
	}
}

// echoes answers with the request's assertion, as a gateway before Midas might.
func echoes(answer func(status int, body string) http.HandlerFunc, status int, key string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		answer(status, fmt.Sprintf(`{%q:"x","error":"invalid_request","error_codes":[1],"error_description":"refused: %s"}`, key, form.Get("client_assertion")))(w, r)
	}
}

// Neither Midas nor the API server is waited for without end.
func TestServersThatHangAreNotWaitedFor(t *testing.T) {
	w := start(t, func(c *bindingproxy.Config) { c.Timeout = 300 * time.Millisecond })
	hang := make(chan struct{})
	defer close(hang)
	never := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}
	w.endpoint.answers(never)
	if got := w.post(t, w.form()); got.status != 503 || got.number() != 90033 {
		t.Errorf("Midas: %d %+v", got.status, got.body)
	}
	w.cluster.Away(never)
	if got := w.post(t, w.form()); got.status != 503 || got.number() != 90033 {
		t.Errorf("the API server: %d %+v", got.status, got.body)
	}
}

// An orderly end waits for the request in flight.
func TestShutdownWaitsForRequests(t *testing.T) {
	w := start(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	w.endpoint.answers(func(rw http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(rw, `{"access_token":"late"}`)
	})
	got := make(chan reply, 1)
	go func() { got <- w.post(t, w.form()) }()
	<-arrived
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(context.WithoutCancel(t.Context())) }()
	until(t, "the end of new connections", func() bool {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL()+"/healthz", nil)
		resp, err := clientFor(t, read(t, w.ca)).Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err != nil
	})
	close(release)
	if r := <-got; r.status != 200 || r.body.AccessToken != "late" {
		t.Errorf("%d %+v", r.status, r.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := w.server.Err(); err != nil {
		t.Error(err)
	}
}

func TestProbes(t *testing.T) {
	w := start(t)
	probe := func(path string) string {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL()+path, nil)
		resp, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return fmt.Sprintf("%d %s", resp.StatusCode, body)
	}
	if got := probe("/healthz") + probe("/readyz"); got != "200 ok\n200 ok\n" {
		t.Error(got)
	}
	write(t, w.cfg.Assertion, "")
	if got := probe("/healthz") + probe("/readyz"); got != "200 ok\n503 not ready\n" {
		t.Error(got)
	}
}
