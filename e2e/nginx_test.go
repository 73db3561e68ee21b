//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNginxAsksOAuth2Proxy runs nginx with the configuration of docs/verify.md, whose addresses are replaced.
func TestNginxAsksOAuth2Proxy(t *testing.T) {
	need(t, "nginx")
	w := world(t)
	client := acceptsVersion2(t, w)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Values("X-Caller"))
	}))
	defer service.Close()
	site := nginx(t, strings.NewReplacer("127.0.0.1:9000", service.Listener.Addr().String(), "127.0.0.1:4180", bearerProxy(t, w, client)).
		Replace(pageBlock(t, "verify.md", "nginx")))
	good := w.midas(t, "token", "--resource", client)
	for name, tt := range map[string]struct {
		authorization string
		status        int
	}{
		"a good token":       {"Bearer " + good, http.StatusOK},
		"another audience":   {"Bearer " + w.midas(t, "token", "--resource", "https://management.azure.com/"), http.StatusUnauthorized},
		"a broken signature": {"Bearer " + good[:len(good)-6] + "AAAAAA", http.StatusUnauthorized},
		"no token":           {"", http.StatusUnauthorized},
	} {
		status, body := asks(t, site, tt.authorization)
		if status != tt.status || tt.status == http.StatusOK && (len(body) != len("[]")+36 || strings.Contains(body, "forged")) {
			t.Errorf("%s: %d, %q", name, status, body)
		}
	}
}

// bearerProxy starts oauth2-proxy with the flags of docs/verify.md and returns its address.
func bearerProxy(t *testing.T, w *azureCLI, client string) string {
	t.Helper()
	binary, address := filepath.Join(t.TempDir(), "oauth2-proxy"), freeAddress(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/oauth2-proxy/oauth2-proxy/v7")
	build.Dir = "oauth2proxy"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build oauth2-proxy: %v\n%s", err, out)
	}
	p := &webProxy{url: "http://" + address}
	p.start(t, exec.CommandContext(t.Context(), binary, "--provider=oidc", "--skip-jwt-bearer-tokens", "--oidc-issuer-url="+w.Endpoint+"/"+w.TenantID+"/v2.0",
		"--client-id="+client, "--provider-ca-file="+filepath.Join(w.data, "ca.pem"), "--oidc-email-claim=oid", "--email-domain=*", "--set-xauthrequest",
		"--client-secret=unused", "--cookie-secret="+strings.Repeat("x", 32), "--http-address="+address))
	return address
}

// nginx starts nginx with the locations of a server and returns its URL.
func nginx(t *testing.T, locations string) string {
	t.Helper()
	folder, address := t.TempDir(), freeAddress(t)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s;\n", kind, filepath.Join(folder, kind))
	}
	file := filepath.Join(folder, "nginx.conf")
	writeText(t, file, fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%sserver {\nlisten %s;\n%s}\n}\n",
		folder, &temporary, address, locations))
	cmd := exec.CommandContext(t.Context(), "nginx", "-e", "stderr", "-c", file)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _ = cmd.Wait(); t.Failed() {
			t.Logf("nginx:\n%s", &log)
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + address); err == nil {
			_ = resp.Body.Close()
			return "http://" + address
		}
	}
	t.Fatal("nginx does not answer")
	return ""
}

// asks sends a request that names a caller itself.
func asks(t *testing.T, url, authorization string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Caller", "forged")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
