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
	for _, explicit := range []bool{true, false} {
		h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) {
			w.Header().Set("Strict-Transport-Security", "max-age=1")
			if explicit {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			if _, err := w.Write([]byte("x")); err != nil {
				t.Error(err)
			}
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
}
