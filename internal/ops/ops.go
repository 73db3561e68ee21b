// Package ops serves health, readiness, metrics and profiles for the people who run a server. Health has no
// secrets and is served on every listener. Metrics and profiles have a listener of their own, which is off
// unless the configuration names it.
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

// readTimeout bounds the check behind /readyz; a store that is slower than this is not ready.
const readTimeout = 2 * time.Second

// errDraining is the cause when a server that is shutting down is not ready.
var errDraining = errors.New("shutting down")

// Health answers /healthz (the process serves) and /readyz (it should be sent requests).
type Health struct {
	Read     func(context.Context) error // reads the store, past every cache
	Write    func() string               // why the server accepts no writes, as anybody may read it; empty when it does. nil: it always does
	draining atomic.Bool
}

// Drain makes /readyz fail from now on.
func (h *Health) Drain() { h.draining.Store(true) }

// Serves reports whether Health answers a path.
func (h *Health) Serves(path string) bool { return path == "/healthz" || path == "/readyz" }

// Serve answers one of the paths.
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
		ev.Err = err // the cause is only logged, because anybody can ask
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

// Handler is the face of the ops listener: health, /metrics of the registry, and /debug/pprof/.
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
		_, ev.Operation = mux.Handler(r) // the pattern, so it comes from code
		mux.ServeHTTP(w, r)
	})
}
