//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// webProxy is an unmodified oauth2-proxy that keeps a person's tokens in the browser's cookie. It refreshes
// them whenever they are older than a second.
type webProxy struct {
	url    string
	cookie string // its name
	person *browser
}

// newWebProxy registers oauth2-proxy as an application, starts it, and signs the administrator in.
func newWebProxy(t *testing.T, w *azureCLI) *webProxy {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "oauth2-proxy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/oauth2-proxy/oauth2-proxy/v7")
	build.Dir = "oauth2proxy"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build oauth2-proxy: %v\n%s", err, out)
	}
	address := freeAddress(t)
	p := &webProxy{url: "http://" + address, cookie: "_web", person: newBrowser(t, w.data)}
	var app struct{ AppID string }
	if err := json.Unmarshal([]byte(w.midas(t, "app", "create", "web", "--redirect", p.url+"/oauth2/callback")), &app); err != nil {
		t.Fatal(err)
	}
	secret := w.midas(t, "app", "secret", "web")
	p.start(t, exec.CommandContext(t.Context(), binary, "--provider=oidc", "--oidc-issuer-url="+w.Endpoint+"/"+w.TenantID+"/v2.0",
		"--provider-ca-file="+filepath.Join(w.data, "ca.pem"), "--client-id="+app.AppID, "--client-secret="+secret,
		"--redirect-url="+p.url+"/oauth2/callback", "--scope=openid profile offline_access", "--oidc-email-claim=preferred_username",
		"--email-domain=*", "--code-challenge-method=S256", "--http-address="+address, "--upstream=static://202",
		"--cookie-name="+p.cookie, "--cookie-secure=false", "--cookie-secret="+strings.Repeat("x", 32), "--cookie-refresh=1s"))
	return p
}

// freeAddress returns a loopback address with a port that no program uses.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs oauth2-proxy until the test ends, and waits until it answers.
func (p *webProxy) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if <-ended; t.Failed() {
			t.Logf("oauth2-proxy:\n%s", &log)
		}
	})
	for {
		resp, err := http.Get(p.url + "/ping")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("oauth2-proxy ended: %v\n%s", err, &log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// signIn signs a person in and returns the cookie of the proxy.
func (p *webProxy) signIn(t *testing.T, w *azureCLI) string {
	t.Helper()
	p.person.open(t, p.url+"/oauth2/start?rd=/ping")
	p.person.submit(t, map[string]string{"username": w.UserName, "password": w.UserPassword, "action": "signin"})
	p.person.submit(t, map[string]string{"action": "accept"})
	for _, cookie := range p.person.Jar.Cookies(p.person.at) {
		if cookie.Name == p.cookie {
			return cookie.Value
		}
	}
	t.Fatalf("no cookie after the sign-in: %s\n%s", p.person.at, p.person.page)
	return ""
}

// refresh sends a request with a cookie. It returns the new cookie, or "" if the proxy has not refreshed.
func (p *webProxy) refresh(ctx context.Context, cookie string) (renewed string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/oauth2/auth", nil)
	if err != nil {
		return "", err
	}
	req.AddCookie(&http.Cookie{Name: p.cookie, Value: cookie})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		if cookie.Name == p.cookie && resp.StatusCode == http.StatusAccepted {
			renewed = cookie.Value
		}
	}
	return renewed, nil
}

// TestWebProxyRefreshesSixRequestsOfOneCookie sends six requests at once, as a page does with its pictures. The
// proxy refreshes for each with the same refresh token. Every cookie of the answers must work later, because
// the browser keeps any of them.
func TestWebProxyRefreshesSixRequestsOfOneCookie(t *testing.T) {
	need(t, "go")
	w := world(t)
	p := newWebProxy(t, w)
	cookie := p.signIn(t, w)
	time.Sleep(2 * time.Second) // the proxy refreshes tokens that are older than a second
	cookies := make([]string, 6)
	var wg sync.WaitGroup
	for i := range cookies {
		wg.Go(func() {
			var err error
			if cookies[i], err = p.refresh(t.Context(), cookie); err != nil || cookies[i] == "" {
				t.Errorf("request %d was not refreshed: %v", i, err)
			}
		})
	}
	wg.Wait()
	for range 2 {
		time.Sleep(2 * time.Second)
		for i, cookie := range cookies {
			renewed, err := p.refresh(t.Context(), cookie)
			if err != nil || renewed == "" {
				t.Fatalf("the cookie of request %d was not refreshed later: %v", i, err)
			}
			cookies[i] = renewed
		}
	}
}
