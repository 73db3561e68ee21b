package bindingproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/throttle"
)

// slots is the number of token requests that are at work at a time, and readers that of those whose body is being
// read. Others wait, address by address in turns, and beyond waiting of them the address with the most gets 429.
// Without readers, bodies that do not end would take 64 KiB for each of the thousands of possible requests.
const (
	slots   = 32
	readers = 64
	waiting = 256
)

// handler answers the requests of pods.
type handler struct {
	reviewer  *reviewer
	exchanger *exchanger
	tenants   []string
	timeout   time.Duration
	log       *slog.Logger
	reading   throttle.Queue // of requests whose body is read
	queue     throttle.Queue // of requests that are decided
	ready     func() error
	own       func(host string) bool // whether a Host header names the proxy
}

// Serve implements httpx.Handler.
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "bindingproxy"
	if arm.IsGUID(ev.ClientRequestID) {
		ev.CorrelationID = ev.ClientRequestID // by which an operator finds the request in Midas' log, too
	}
	if err := h.route(w, r, ev); err != nil {
		fail(w, ev, err)
	}
}

// Refuse implements httpx.Refuser.
func (h *handler) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.API = "bindingproxy"
	if status == http.StatusTooManyRequests {
		fail(w, ev, errBusy())
		return
	}
	fail(w, ev, errMalformed(status))
}

// route selects the answer by the path, as it is on the wire: nothing in a path is decoded or cleaned.
func (h *handler) route(w http.ResponseWriter, r *http.Request, ev *httpx.Event) error {
	path := r.URL.EscapedPath()
	switch path {
	case "/healthz", "/readyz":
		ev.Operation, ev.Routine = path[1:], true
		return h.serveHealth(w, ev)
	case "/common/discovery/instance":
		ev.Operation, ev.Routine = "instance", true
		return only(r, http.MethodGet, func() error { return h.serveInstance(w, r) })
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	var serve func(tenant string) error
	method := http.MethodGet
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		ev.Operation, ev.Routine = "configuration", true
		serve = func(tenant string) error { return h.serveConfiguration(w, r, tenant) }
	case "oauth2/v2.0/token":
		ev.Operation, method = "token", http.MethodPost
		serve = func(tenant string) error { return h.serveToken(w, r, ev, tenant) }
	default:
		return errMalformed(http.StatusNotFound)
	}
	tenant, known := h.tenant(name)
	if !known {
		return errTenant(name)
	}
	return only(r, method, func() error { return serve(tenant) })
}

// only refuses requests of other methods.
func only(r *http.Request, method string, serve func() error) error {
	if r.Method != method {
		return errMethod(method, r.Method)
	}
	return serve()
}

// tenant returns the configured tenant with this id.
func (h *handler) tenant(id string) (string, bool) {
	i := slices.IndexFunc(h.tenants, func(t string) bool { return arm.SameName(t, id) })
	if i < 0 {
		return "", false
	}
	return h.tenants[i], true
}

// serveToken answers a token request.
func (h *handler) serveToken(w http.ResponseWriter, r *http.Request, ev *httpx.Event, tenant string) error {
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout)
	defer cancel()
	from := throttle.Waiter{From: throttle.SourceOf(ev.ClientIP)}
	q, err := h.receive(ctx, w, r, from)
	if err != nil {
		return err
	}
	release, err := acquire(ctx, &h.queue, from)
	if err != nil {
		return err
	}
	defer release()
	who, err := h.reviewer.authenticate(ctx, q.token)
	if err != nil {
		return err
	}
	ev.Caller = who.Username
	if err := h.reviewer.authorize(ctx, who, q.clientID); err != nil {
		return err
	}
	got, err := h.exchanger.exchange(ctx, tenant, q, ev.CorrelationID)
	if err != nil {
		return err
	}
	got.forward(w, ev)
	if got.status == http.StatusOK {
		h.log.LogAttrs(ctx, slog.LevelInfo, "token granted", slog.String("caller", quote(who.Username)), slog.String("pod", quote(who.pod())),
			slog.String("client_id", q.clientID), slog.String("tenant", tenant), slog.String("scope", quote(q.scope)), slog.String("request", ev.RequestID))
	}
	return nil
}

// receive reads a token request when it is its turn. The body must come within half of the time that the request has.
func (h *handler) receive(ctx context.Context, w http.ResponseWriter, r *http.Request, from throttle.Waiter) (tokenRequest, error) {
	release, err := acquire(ctx, &h.reading, from)
	if err != nil {
		return tokenRequest{}, err
	}
	defer release()
	body := http.NewResponseController(w)
	if err := body.SetReadDeadline(time.Now().Add(h.timeout / 2)); err != nil {
		return tokenRequest{}, fmt.Errorf("limit the time of the body: %w", err)
	}
	q, err := readRequest(r)
	if err != nil {
		return tokenRequest{}, err
	}
	// Without an end of the deadline, net/http would cancel the request when it comes.
	if err := body.SetReadDeadline(time.Time{}); err != nil {
		return tokenRequest{}, fmt.Errorf("end the limit of the body: %w", err)
	}
	return q, nil
}

// acquire waits in a queue.
func acquire(ctx context.Context, queue *throttle.Queue, from throttle.Waiter) (release func(), err error) {
	release, err = queue.Acquire(ctx, from)
	switch {
	case errors.Is(err, throttle.ErrBusy):
		return nil, errBusy()
	case err != nil:
		return nil, fmt.Errorf("wait for other requests: %w", err)
	}
	return release, nil
}

// serveHealth answers the probes of the kubelet.
func (h *handler) serveHealth(w http.ResponseWriter, ev *httpx.Event) error {
	status, text := http.StatusOK, "ok\n"
	if ev.Operation == "readyz" {
		if err := h.ready(); err != nil {
			ev.Err = err // only logged, because probes are not authenticated
			status, text = http.StatusServiceUnavailable, "not ready\n"
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
	return nil
}
