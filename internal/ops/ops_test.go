package ops_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
	"midas/internal/ops"
)

// get sends a request to the handler of the ops listener.
func get(t *testing.T, h *ops.Health, path string) *httptest.ResponseRecorder {
	t.Helper()
	reg := prometheus.NewRegistry()
	metrics, err := httpx.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	handler := httpx.New(ops.Handler(h, reg), httpx.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: func() string { return "id" },
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func readable(context.Context) error { return nil }

func TestHealthAndReadiness(t *testing.T) {
	broken := func(context.Context) error { return errors.New("disk SECRETPATH is gone") }
	for name, c := range map[string]struct {
		path, body string
		read       func(context.Context) error
		drain      bool
		status     int
	}{
		"alive":                {"/healthz", "ok\n", broken, true, 200},
		"ready":                {"/readyz", "ok\n", readable, false, 200},
		"store gone":           {"/readyz", "the store cannot be read\n", broken, false, 503},
		"takes no writes":      {"/readyz", "the store takes no writes: no space left on device\n", readable, false, 503},
		"shutting down":        {"/readyz", "shutting down\n", readable, true, 503},
		"no such health check": {"/readyz/x", "404 page not found\n", readable, false, 404},
	} {
		t.Run(name, func(t *testing.T) {
			h := &ops.Health{Read: c.read, Write: func() string { return map[bool]string{true: "no space left on device"}[name == "takes no writes"] }}
			if c.drain {
				h.Drain()
			}
			if w := get(t, h, c.path); w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
		})
	}
}

func TestReadinessTimesOut(t *testing.T) {
	h := &ops.Health{Read: func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the read has no deadline")
		}
		return context.DeadlineExceeded
	}}
	if w := get(t, h, "/readyz"); w.Code != http.StatusServiceUnavailable {
		t.Error(w.Code)
	}
}

func TestMetricsAndProfilesAreServed(t *testing.T) {
	for path, want := range map[string]string{
		"/metrics":             "midas_http_requests_in_flight 1",
		"/debug/pprof/":        "goroutine",
		"/debug/pprof/cmdline": "ops.test",
		"/debug/pprof/heap":    "",
		"/debug/pprof/symbol":  "num_symbols",
	} {
		if w := get(t, &ops.Health{Read: readable}, path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d without %q", path, w.Code, want)
		}
	}
}
