package witness_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"midas"
	"midas/midastest"
)

// lab sends a request to the laboratory.
func lab(t testing.TB, srv *midastest.Server, method, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.Endpoint+"/lab/v1"+path, strings.NewReader(body))
	check(t, err)
	req.SetBasicAuth(srv.ClientID, srv.ClientSecret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := srv.Client().Do(req)
	check(t, err)
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	answer := map[string]any{}
	if resp.StatusCode != http.StatusNoContent {
		check(t, json.NewDecoder(resp.Body).Decode(&answer))
	}
	return answer
}

// hits is how many requests the first fault has changed.
func hits(t testing.TB, srv *midastest.Server) float64 {
	t.Helper()
	n, _ := lab(t, srv, "GET", "/faults", "")["value"].([]any)[0].(map[string]any)["hits"].(float64)
	return n
}

// TestAzidentityComesThroughFaultsOfIMDS: Azure's guidance for clients of the metadata service is to retry after 404, 410,
// 429 and 5xx. The SDK does so by its own policy; only its pauses are shortened, except in the first case.
func TestAzidentityComesThroughFaultsOfIMDS(t *testing.T) {
	const machine = "/subscriptions/" + midas.LabSubscriptionID + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
	srv := midastest.Start(t, midastest.Lab(), midastest.With(func(c *midas.Config) {
		c.Metadata = []midas.MetadataConfig{{Resource: machine, Listen: "127.0.0.1:0"}}
	}))
	w := watch(t, srv)
	w.group(t, "rg")
	put(t, srv, machine+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	address := strings.TrimPrefix(srv.MetadataURLs()[0], "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	for name, c := range map[string]struct {
		rule  string
		retry policy.RetryOptions
	}{
		"410 with the SDK's own pauses": {`{"preset":"imds-410","count":1}`, policy.RetryOptions{}},
		"404":                           {`{"preset":"imds-404","count":2}`, policy.RetryOptions{RetryDelay: 10 * time.Millisecond}},
		"429":                           {`{"preset":"imds-429","count":2}`, policy.RetryOptions{RetryDelay: 10 * time.Millisecond}},
		"500":                           {`{"preset":"imds-500","count":2}`, policy.RetryOptions{RetryDelay: 10 * time.Millisecond}},
		"a reset connection":            {`{"preset":"connection-reset","match":{"api":"metadata"},"count":1}`, policy.RetryOptions{RetryDelay: 10 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			lab(t, srv, "DELETE", "/faults", "")
			lab(t, srv, "POST", "/faults", c.rule)
			credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
				ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: transport}, Retry: c.retry},
			})
			check(t, err)
			// A scope of its own, because tokens are cached in the process.
			token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://" + strings.Fields(name)[0] + ".example/.default"}})
			if err != nil || token.Token == "" {
				t.Fatalf("no token: %v", err)
			}
			if hits(t, srv) == 0 {
				t.Error("the fault has changed no request")
			}
		})
	}
}

// put writes a resource as the administrator.
func put(t testing.TB, srv *midastest.Server, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", srv.Endpoint+path, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+srv.Token(t, midastest.Management))
	req.Header.Set("Content-Type", "application/json")
	resp, err := srv.Client().Do(req)
	check(t, err)
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("PUT %s: %s", path, resp.Status)
	}
}

// TestAzcoreComesThroughThrottling: azcore waits for Retry-After, and retries 429, 500 and 503, also of the token endpoint,
// and connections that are reset.
func TestAzcoreComesThroughThrottling(t *testing.T) {
	srv := midastest.Start(t, midastest.Lab())
	w := watch(t, srv)
	w.group(t, "rg")
	for name, rule := range map[string]string{
		"429": `{"preset":"throttled","retryAfter":"1s","count":1}`, "500": `{"preset":"arm-500","count":1}`, "503": `{"preset":"arm-503","count":1}`,
		"a reset connection": `{"preset":"connection-reset","match":{"api":"arm"},"count":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			lab(t, srv, "DELETE", "/faults", "")
			lab(t, srv, "POST", "/faults", rule)
			began := time.Now()
			_, err := w.resources(t).NewResourceGroupsClient().Get(t.Context(), "rg", nil)
			check(t, err)
			if hits(t, srv) != 1 || name == "429" && time.Since(began) < time.Second {
				t.Errorf("%v requests were changed, and the client has waited %s", hits(t, srv), time.Since(began))
			}
		})
	}
	w.guard.mu.Lock()
	defer w.guard.mu.Unlock()
	w.guard.faults = nil // they were injected
}

// TestAzidentityGetsANewTokenWhenTheClockIsMoved: the server refuses the token of yesterday; a program that asks for a
// new one goes on.
func TestAzidentityGetsANewTokenWhenTheClockIsMoved(t *testing.T) {
	srv := midastest.Start(t, midastest.Lab())
	w := watch(t, srv)
	w.group(t, "rg")
	groups := w.resources(t).NewResourceGroupsClient()
	_, err := groups.Get(t.Context(), "rg", nil)
	check(t, err)
	srv.Advance(t, 25*time.Hour)
	if _, err := groups.Get(t.Context(), "rg", nil); err == nil || !strings.Contains(err.Error(), "ExpiredAuthenticationToken") {
		t.Errorf("the token of yesterday: %v", err)
	}
	_, err = w.resources(t).NewResourceGroupsClient().Get(t.Context(), "rg", nil)
	check(t, err)
}
