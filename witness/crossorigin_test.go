package witness_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"midas/midastest"
)

// TestPagesOfOtherSitesUseTheAPIs sends what a browser sends for a page of another site.
func TestPagesOfOtherSitesUseTheAPIs(t *testing.T) {
	w := start(t)
	send := func(method, path string, headers ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.Endpoint+path, nil)
		check(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := w.guard.Do(req)
		check(t, err)
		check(t, resp.Body.Close())
		return resp
	}
	const page = "https://app.contoso.example"
	for name, api := range map[string]struct{ path, token string }{
		"ARM":       {w.scope() + "?api-version=2022-12-01", w.Token(t, midastest.Management)},
		"Graph":     {"/v1.0/users", w.Token(t, "https://graph.microsoft.com/")},
		"endpoints": {"/metadata/endpoints?api-version=2022-09-01", ""},
	} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "POST"} {
			resp := send("OPTIONS", api.path, "Origin", page, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,content-type,x-ms-client-request-id")
			h := resp.Header
			methods := strings.Split(h.Get("Access-Control-Allow-Methods"), ", ")
			allowed := strings.Split(h.Get("Access-Control-Allow-Headers"), ", ")
			if resp.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != "*" || !slices.Contains(methods, method) || !slices.Contains(allowed, "Authorization") || !slices.Contains(allowed, "*") {
				t.Errorf("%s, preflight for %s: %d %v", name, method, resp.StatusCode, h)
			}
		}
		for _, token := range []string{api.token, "wrong"} {
			resp := send("GET", api.path, "Origin", page, "Authorization", "Bearer "+token)
			h := resp.Header
			if h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Location") {
				t.Errorf("%s: %d %v", name, resp.StatusCode, h)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: pages may send cookies", name)
			}
		}
		if h := send("GET", api.path, "Authorization", "Bearer "+api.token).Header; h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: an answer to a program has %v", name, h)
		}
	}
	// A preflight request changes nothing and opens nothing else: pages, hosts.
	for _, path := range []string{"/hosts/v1/token", "/common/oauth2/v2.0/authorize"} {
		if h := send("OPTIONS", path, "Origin", page, "Access-Control-Request-Method", "POST").Header; h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if resp := send("OPTIONS", w.scope()+"?api-version=2022-12-01"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("OPTIONS that is no preflight request: %d", resp.StatusCode)
	}
}

// A page of another site signs in with nothing but the issuer: it may read what the discovery document names, and
// redeem its code.
func TestPagesUseWhatTheDiscoveryDocumentNames(t *testing.T) {
	w := start(t)
	const page = "https://app.contoso.example"
	send := func(method, url string, headers ...string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		check(t, err)
		req.Header.Set("Origin", page)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := w.guard.Do(req)
		check(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		check(t, err)
		if h := resp.Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: %d %v", method, url, resp.StatusCode, h)
		}
		return resp, body
	}
	for _, version := range []string{"/v2.0", ""} {
		resp, body := send("GET", w.Endpoint+"/"+w.TenantID+version+"/.well-known/openid-configuration")
		var names map[string]any
		if err := json.Unmarshal(body, &names); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%d %v", resp.StatusCode, err)
		}
		for _, name := range []string{"jwks_uri", "midas_revocations_uri"} {
			if resp, _ := send("GET", names[name].(string)); resp.StatusCode != 200 {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
		}
		for name, method := range map[string]string{"token_endpoint": "POST", "userinfo_endpoint": "GET"} {
			url := names[name].(string)
			resp, _ := send("OPTIONS", url, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,content-type")
			if allowed := resp.Header.Get("Access-Control-Allow-Headers"); resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), method) || allowed == "" {
				t.Errorf("%s, preflight: %d %v", name, resp.StatusCode, resp.Header)
			}
			send(method, url) // the page can read why it was refused
		}
	}
}
