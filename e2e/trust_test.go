//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas/internal/client"
)

// TestOthersTrustMidas gives tokens of an identity to parties that know an issuer and an audience: the
// authenticator of a Kubernetes API server, an STS that the AWS SDK asks, and Google's libraries. They are
// programs of the module e2e/trust.
func TestOthersTrustMidas(t *testing.T) {
	w := world(t)
	admin, err := client.Open(w.data)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.HTTP.CloseIdleConnections()
	group := "/subscriptions/" + w.SubscriptionID + "/resourceGroups/rg"
	identity, vm := group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app", group+"/providers/Microsoft.Compute/virtualMachines/web"
	call := func(method, resource, path, body string) map[string]any {
		t.Helper()
		return callAs(t, admin, resource, method, path, body)
	}
	const arm, graph = "https://management.azure.com", "https://graph.microsoft.com"
	call("PUT", arm, group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	app := call("PUT", arm, identity+"?api-version=2023-01-31", `{"location":"eastus"}`)["properties"].(map[string]any)
	call("PUT", arm, vm+"?api-version=2024-07-01", fmt.Sprintf(`{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{%q:{}}}}`, identity))
	audience := call("POST", graph, "/v1.0/applications", `{"displayName":"kubernetes","api":{"requestedAccessTokenVersion":2}}`)["appId"].(string)
	call("POST", graph, "/v1.0/servicePrincipals", fmt.Sprintf(`{"appId":%q}`, audience))

	state, files := t.TempDir(), t.TempDir()
	aws, kubernetes := filepath.Join(files, "aws"), filepath.Join(files, "kubernetes")
	token := w.midas(t, "agent", "enrollment-token", "--resource", vm)
	enroll := exec.CommandContext(t.Context(), midasBinary(t), "agent", "enroll", "--state", state, "--server", w.Endpoint, "--ca", admin.CAFile, "--token", token)
	if out, err := enroll.CombinedOutput(); err != nil {
		t.Fatalf("enroll: %v %s", err, out)
	}
	const google = "https://vault.azure.net"
	address := freeAddress(t)
	(&machine{dir: files}).background(t, "ready ", midasBinary(t), "agent", "run", "--state", state,
		"--flavour", "google="+address, "--google-audience", google,
		"--token-file", "sts.amazonaws.com="+aws, "--token-file", audience+","+app["clientId"].(string)+"="+kubernetes)

	ca, err := os.ReadFile(admin.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	found, err := json.Marshal(map[string]string{
		"Endpoint": w.Endpoint, "Tenant": w.TenantID, "CA": string(ca), "Identity": app["principalId"].(string), "ClientID": app["clientId"].(string),
		"Kubernetes": kubernetesConfig(t, w, audience, string(ca)), "KubernetesToken": waitForFile(t, kubernetes), "AWSTokenFile": aws,
		"GoogleAudience": google, "Project": w.SubscriptionID,
	})
	if err != nil {
		t.Fatal(err)
	}
	waitForFile(t, aws)
	description := filepath.Join(files, "trust.json")
	if err := os.WriteFile(description, found, 0o600); err != nil {
		t.Fatal(err)
	}
	parties := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", ".")
	parties.Dir = "trust"
	parties.Env = append(os.Environ(), "MIDAS_TRUST="+description, "GCE_METADATA_HOST="+address)
	out, err := parties.CombinedOutput()
	if err != nil || strings.Contains(string(out), "--- SKIP") || strings.Count(string(out), "--- PASS") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

// kubernetesConfig is the AuthenticationConfiguration of docs/trust.md with the values of a server.
func kubernetesConfig(t *testing.T, w *azureCLI, audience, ca string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/trust.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/trust.md has no configuration")
	}
	ca = strings.ReplaceAll(strings.TrimSpace(ca), "\n", "\n      ")
	return strings.NewReplacer("https://midas.corp:8443", w.Endpoint, "TENANT", w.TenantID, "CLIENT_ID", audience, "CA_PEM", ca).Replace(block)
}

// waitForFile returns the content of a file once it exists.
func waitForFile(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		data, err := os.ReadFile(path)
		if err == nil {
			return string(data)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// callAs sends a request that must succeed with the administrator's token for a resource.
func callAs(t *testing.T, admin *client.Client, resource, method, path, body string) (answer map[string]any) {
	t.Helper()
	bearer, err := admin.Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, admin.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := admin.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, text, err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}
