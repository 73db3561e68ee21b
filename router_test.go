package midas_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
)

// as asks a server under a host name, with a certificate check by that name against a file.
func as(t *testing.T, s *midas.Server, host, path, caFile string) (int, string) {
	t.Helper()
	address := strings.TrimPrefix(s.Admin().Endpoint, "https://")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool(t, caFile)}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	return get(t, &http.Client{Transport: transport}, "https://"+host+path)
}

func TestAzureHostNamesSelectTheAPI(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	azureCA := filepath.Join(cfg.Data, "azure-ca", "ca.pem")
	for _, c := range []struct {
		host, path string
		status     int
		want       string
	}{
		{"management.azure.com", "/subscriptions?api-version=2022-12-01", 401, "AuthenticationFailed"},
		{"login.microsoftonline.com", "/" + s.Admin().TenantID + "/v2.0/.well-known/openid-configuration", 200, "token_endpoint"},
		{"login.windows.net", "/subscriptions?api-version=2022-12-01", 404, "AADSTS"},
		{"sts.windows.net", "/", 404, "AADSTS"},
		{"login.microsoft.com", "/common/discovery/keys", 200, "keys"},
		{"graph.microsoft.com", "/v1.0/me", 401, "InvalidAuthenticationToken"},
		{"graph.microsoft.com", "/subscriptions?api-version=2022-12-01", 401, "InvalidAuthenticationToken"},
	} {
		if status, body := as(t, s, c.host, c.path, azureCA); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s%s: %d %s", c.host, c.path, status, body)
		}
	}
}

// A page of another site must not be able to read answers by DNS rebinding.
func TestForeignHostNamesAreRefused(t *testing.T) {
	cfg := quiet(t)
	cfg.Listen = "127.0.0.1:0"
	cfg.Names = []string{"Midas.Test"}
	s := start(t, cfg)
	c := administrator(t, cfg.Data)
	for host, want := range map[string]int{
		"localhost": 401, "LOCALHOST:1": 401, "127.0.0.1": 401, "[::1]:8443": 401, "midas.test": 401, "192.0.2.1": 401,
		"evil.example": 421, "evil.example:8443": 421, "localhost.evil.example": 421, "management.core.windows.net": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.Admin().Endpoint+"/subscriptions?api-version=2022-12-01", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := c.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: %s, want %d", host, resp.Status, want)
		}
	}
}

// A client that trusts ca.pem must not trust the server under Azure's names.
func TestLocalCAIsNotTrustedForAzureNames(t *testing.T) {
	s := start(t, quiet(t))
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.Admin().Endpoint, "https://"), &tls.Config{
		RootCAs: pool(t, s.CAFile()), ServerName: "management.azure.com",
	})
	if err == nil {
		_ = conn.Close()
		t.Error("ca.pem is good for management.azure.com")
	}
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}
