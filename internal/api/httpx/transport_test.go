package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"midas/internal/api/httpx"
)

// TestNoTransportPolicyForThisMachine keeps browsers from refusing http to all else on localhost.
func TestNoTransportPolicyForThisMachine(t *testing.T) {
	policy := []string{"max-age=1"}
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
		httpx.StrictTransport(w.Header(), ev, policy)
	}), io.Discard)
	for host, want := range map[string]string{
		"localhost": "", "LOCALHOST:8443": "", "midas.localhost:8443": "", "127.0.0.1:8443": "", "127.1.2.3": "", "[::1]:8443": "",
		"midas.example": "max-age=1", "management.azure.com": "max-age=1", "localhost.evil.test": "max-age=1", "192.0.2.1:8443": "max-age=1",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}
