package httpx_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
)

// With the policy, browsers would refuse http for all other services on localhost.
func TestNoStrictTransportSecurityForLoopbackHosts(t *testing.T) {
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
		httpx.StrictTransport(w.Header(), ev)
	}), io.Discard)
	for host, want := range map[string]string{
		"localhost": "", "LOCALHOST:8443": "", "midas.localhost:8443": "", "127.0.0.1:8443": "", "127.1.2.3": "", "[::1]:8443": "",
		"midas.example": "max-age=31536000", "management.azure.com": "max-age=31536000", "localhost.evil.test": "max-age=31536000", "192.0.2.1:8443": "max-age=31536000",
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

// Subdomains are included only if the operator configures it, and loopback hosts get no policy at all.
func TestStrictTransportSecurityExcludesSubdomainsByDefault(t *testing.T) {
	for asked, want := range map[bool]string{false: "max-age=31536000", true: "max-age=31536000; includeSubDomains"} {
		metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		h := httpx.New(httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
			httpx.StrictTransport(w.Header(), ev)
		}), httpx.Options{
			Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now,
			NewID: func() string { return requestID }, StrictSubdomains: asked,
		})
		for host, want := range map[string]string{"midas.example": want, "localhost": "", "x.localhost": ""} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Header().Get("Strict-Transport-Security"); got != want {
				t.Errorf("asked %t, %s: %q, want %q", asked, host, got, want)
			}
		}
	}
}
