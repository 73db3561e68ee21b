// Package ops serves health, readiness, metrics and profiles to operators. Health holds no secrets and is
// served on every listener. Metrics and profiles have a listener of their own, which is off unless the
// configuration has an address for it.
package ops

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"midas/internal/api/httpx"
)

const api = "ops"

// readTimeout bounds the read of the store for /readyz. A slower store is not ready.
const readTimeout = 2 * time.Second

// errDraining says that the server is not ready because it is shutting down.
var errDraining = errors.New("shutting down")

// Health answers /healthz, which succeeds while the process serves, and /readyz, which succeeds while load
// balancers should send requests to it.
type Health struct {
	// Read reads a record of the store without a cache.
	Read func(context.Context) error
	// Write returns why the server accepts no writes, or an empty text if it accepts them. The reason is
	// sent to unauthenticated clients. Nil means that writes are always accepted.
	Write func() string

	draining atomic.Bool
}

// Drain makes /readyz fail from now on.
func (h *Health) Drain() { h.draining.Store(true) }

// Ready reports whether /readyz succeeds.
func (h *Health) Ready(ctx context.Context) bool {
	return h.ready(ctx) == nil && (h.Write == nil || h.Write() == "")
}

// Serves reports whether Health answers a path.
func (h *Health) Serves(path string) bool { return path == "/healthz" || path == "/readyz" }

// Serve implements httpx.Handler for the paths of Serves.
func (h *Health) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API, ev.Operation, ev.Routine = api, "healthz", true
	if r.URL.Path == "/healthz" {
		text(w, http.StatusOK, "ok\n")
		return
	}
	ev.Operation = "readyz"
	switch err := h.ready(r.Context()); {
	case err == nil && h.Write != nil && h.Write() != "":
		text(w, http.StatusServiceUnavailable, "the store takes no writes: "+h.Write()+"\n")
	case err == nil:
		text(w, http.StatusOK, "ok\n")
	case errors.Is(err, errDraining):
		ev.Err = err
		text(w, http.StatusServiceUnavailable, "shutting down\n")
	default:
		ev.Err = err // only logged, because clients of /readyz are not authenticated
		text(w, http.StatusServiceUnavailable, "the store cannot be read\n")
	}
}

func (h *Health) ready(ctx context.Context) error {
	if h.draining.Load() {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return h.Read(ctx)
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// Handler serves the ops listener: health, the registry at /metrics, and profiles at /debug/pprof/.
func Handler(h *Health, reg *prometheus.Registry) httpx.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		if h.Serves(r.URL.Path) {
			h.Serve(w, r, ev)
			return
		}
		ev.API, ev.Routine = api, true
		_, ev.Operation = mux.Handler(r) // the pattern, which comes from code as metric labels must
		mux.ServeHTTP(w, r)
	})
}
