package midas_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"midas"
)

// askHome sends one request with headers and returns the answer with its body.
func askHome(t *testing.T, c *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestPeopleGetAPageAndProgramsGetJSON(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	c := administrator(t, cfg.Data)
	resp, body := askHome(t, c.HTTP, "GET", c.Endpoint+"/", "Accept", browser)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{c.Endpoint, midas.ThisBuild().String(), "/common/oauth2/deviceauth", "/docs/operations.md"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, secret := range []string{c.TenantID, c.SubscriptionID, c.ClientID, string(c.ClientSecret)} {
		if strings.Contains(body, secret) {
			t.Errorf("the page shows strangers %s", secret)
		}
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	for _, link := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if resp, _ := askHome(t, c.HTTP, "GET", c.Endpoint+link[1], "Accept", browser); resp.StatusCode != 200 {
			t.Errorf("%s: %d", link[1], resp.StatusCode)
		}
	}
	if resp, body := askHome(t, c.HTTP, "HEAD", c.Endpoint+"/", "Accept", browser); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
	for _, other := range [][]string{{}, {"Accept", "application/json"}, {"Accept", "*/*"}, {"Accept", browser, "Host", "management.azure.com"}} {
		resp, body := askHome(t, c.HTTP, "GET", c.Endpoint+"/", other...)
		if resp.StatusCode != 404 || !strings.Contains(body, `"MissingSubscription"`) {
			t.Errorf("%v: %d %s", other, resp.StatusCode, body)
		}
	}
	if resp, _ := askHome(t, c.HTTP, "POST", c.Endpoint+"/", "Accept", browser); resp.StatusCode < 400 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

func TestOnlyPagesOfTheDocumentationAreServed(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	c := administrator(t, cfg.Data)
	if resp, body := askHome(t, c.HTTP, "GET", c.Endpoint+"/docs/tokens.md"); resp.StatusCode != 200 ||
		!strings.HasPrefix(body, "# ") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, path := range []string{"/docs", "/docs/", "/docs/none.md", "/docs/../config.go", "/docs/%2e%2e/go.mod", "/docs/tokens.md/", "/docs/TOKENS.md"} {
		if resp, body := askHome(t, c.HTTP, "GET", c.Endpoint+path, "Accept", browser); resp.StatusCode < 400 {
			t.Errorf("%s: %d %.80s", path, resp.StatusCode, body)
		}
	}
}

func TestHealthAsksTheServerOfTheDataFolder(t *testing.T) {
	cfg := quiet(t)
	if err := midas.Ready(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no server is running") {
		t.Errorf("before the start: %v", err)
	}
	server := start(t, cfg)
	if err := midas.Ready(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := midas.Ready(t.Context(), cfg); err == nil {
		t.Error("ready after the end")
	}
}
