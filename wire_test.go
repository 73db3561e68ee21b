package midas_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"midas"
	"midas/internal/client"
)

// wire sends requests to a server with paths exactly as given, and follows no redirects.
type wire struct {
	*client.Client
	bearer string // the token of the next requests; empty for none
}

// wireOf is the wire of a server's administrator.
func wireOf(t *testing.T, cfg midas.Config) *wire {
	t.Helper()
	w := &wire{Client: administrator(t, cfg.Data)}
	w.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.bearer = w.token(t, "https://management.azure.com")
	return w
}

func (w *wire) token(t *testing.T, resource string) string {
	t.Helper()
	bearer, err := w.Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	return bearer
}

// do sends a request. A body that begins with { is JSON, any other is a form.
func (w *wire) do(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	if w.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+w.bearer)
	}
	resp, err := w.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// want fails the test unless the answer has the status, and decodes the answer.
func (w *wire) want(t *testing.T, status int, method, path, body string) (*http.Response, map[string]any) {
	t.Helper()
	resp, answer := w.do(t, method, path, body)
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s %s, want %d", method, path, resp.Status, answer, status)
	}
	var decoded map[string]any
	if answer != "" {
		if err := json.Unmarshal([]byte(answer), &decoded); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return resp, decoded
}
