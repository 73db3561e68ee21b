//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/client"
	"midas/internal/keypair/keypairtest"
)

// TestAgentsBehindNginx: TLS ends at an nginx with the location of docs/operations.md, whose certificate is a company's.
// Users come through it, agents use the listener of their own, or a proxy that passes TLS through.
func TestAgentsBehindNginx(t *testing.T) {
	need(t, "nginx")
	company := keypairtest.New(t, "Company root")
	leaf := company.Issue(t, nil, "localhost")
	dir := t.TempDir()
	for name, text := range map[string]string{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "company.pem": company.PEM()} {
		writeText(t, filepath.Join(dir, name), text)
	}
	main, agents, public, data := freeAddress(t), freeAddress(t), freeAddress(t), filepath.Join(dir, "data")
	_, port, _ := net.SplitHostPort(public)
	writeText(t, filepath.Join(dir, "midas.yaml"), fmt.Sprintf("data: %s\nlisten: %s\norigin: https://localhost:%s\ntls: {ca: %s}\ntrustedProxies: [127.0.0.1]\nagents: {listen: %q}\n",
		data, main, port, filepath.Join(dir, "company.pem"), agents))
	(&machine{dir: dir}).background(t, "ready ", midasBinary(t), "serve", "--config", filepath.Join(dir, "midas.yaml"))
	ca := filepath.Join(data, "ca.pem")

	block := pageBlock(t, "operations.md", "nginx")
	location := block[strings.Index(block, "location"):strings.LastIndex(block, "}")]
	location = strings.NewReplacer("127.0.0.1:8443", main, "/var/lib/midas/ca.pem", ca).Replace(location)
	nginx(t, fmt.Sprintf("listen %s ssl;\nssl_protocols TLSv1.2 TLSv1.3;\nssl_certificate %s;\nssl_certificate_key %s;\n%s", public, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), location))
	visitor := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: company.Pool()}, DisableKeepAlives: true}}
	resp, err := visitor.Get("https://localhost:" + port + "/common/discovery/v2.0/keys")
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("through nginx: %s", resp.Status)
	}

	admin, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.HTTP.CloseIdleConnections()
	group := "/subscriptions/" + admin.SubscriptionID + "/resourceGroups/rg"
	vm := group + "/providers/Microsoft.Compute/virtualMachines/web"
	callAs(t, admin, "https://management.azure.com", "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	callAs(t, admin, "https://management.azure.com", "PUT", vm+"?api-version=2024-07-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	enroll := func(state, server, ca string) (string, error) {
		t.Helper()
		token, err := admin.EnrollmentToken(t.Context(), vm)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), midasBinary(t), "agent", "enroll", "--state", state, "--server", server, "--ca", ca, "--token", string(token)).CombinedOutput()
		return string(out), err
	}
	if out, err := enroll(t.TempDir(), "https://localhost:"+port, ca); err == nil || !strings.Contains(out, "https://"+agents) {
		t.Errorf("through nginx: %v %s", err, out)
	}
	for name, server := range map[string]string{"the listener for agents": agents, "a proxy that passes TLS through": passThrough(t, main)} {
		state, address := t.TempDir(), freeAddress(t)
		if out, err := enroll(state, "https://"+server, ca); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
			continue
		}
		(&machine{dir: dir}).background(t, "ready ", midasBinary(t), "agent", "run", "--state", state, "--flavour", "imds="+address)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Metadata", "true")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if _ = resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s (%v)", name, resp.Status, body, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), midasBinary(t), "exec", "--data", data, "--as", vm, "--", "true").CombinedOutput(); err != nil {
		t.Errorf("midas exec --as: %v %s", err, out)
	}
}

// passThrough is a proxy that forwards connections as they are.
func passThrough(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				}()
			}
		}
	}()
	return l.Addr().String()
}
