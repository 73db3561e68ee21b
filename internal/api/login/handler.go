package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/store"
)

// Handler serves the sign-in service. It is safe for concurrent use.
type Handler struct {
	config    *Config
	discovery *discovery
	tokens    *tokens
	signIn    *signIn
	endpoints map[string]*endpoint // by first segment and path, both folded
}

// New returns a Handler with the Config, which must not be changed while requests are served.
func New(c *Config) *Handler {
	a := &accounts{c}
	h := &Handler{config: c, discovery: newDiscovery(a), tokens: newTokens(a), signIn: &signIn{a}}
	h.endpoints = index(h.table())
	return h
}

// request is one request with its response.
type request struct {
	w           http.ResponseWriter
	r           *http.Request
	ev          *httpx.Event
	began       time.Time
	pathTenant  string // the path's first segment: a tenant's id or domain name, or a shared name
	origin      string // the origin to which the client has sent the request
	azure       bool   // the origin is one of Azure's names
	followsForm bool   // it may follow the redirect after a form
	html        bool   // answers, including errors, are pages
	correlation string
}

// Serve answers one request. It implements httpx.Handler.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	r, err := httpx.SkipEmptySegments(r, ev)
	x := h.begin(w, r, ev)
	if err != nil {
		err = errMalformedBy(err)
	} else {
		err = h.dispatch(x)
	}
	if err != nil {
		h.fail(x, err)
	}
}

// Refuse answers a request that was refused before it reached Serve. It implements httpx.Refuser.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	h.fail(h.begin(w, r, ev), errMalformed(status))
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, ev *httpx.Event) *request {
	ev.API = "login"
	x := &request{w: w, r: r, ev: ev, began: h.config.Now(), origin: h.config.issuer().Origin}
	if x.azure = azure.APIOf(r.Host) == azure.Login; x.azure {
		x.origin = "https://" + azure.Name(r.Host)
	}
	always.Set(w.Header())
	httpx.StrictTransport(w.Header(), ev)
	x.correlate(h.config.NewID)
	return x
}

func (h *Handler) dispatch(x *request) error {
	// The path is split before it is unescaped, so that %2F does not end a segment.
	first, rest, _ := strings.Cut(strings.TrimPrefix(x.r.URL.EscapedPath(), "/"), "/")
	e := h.find(arm.Fold(first), arm.Fold(rest))
	if e == nil {
		return errMalformed(http.StatusNotFound)
	}
	x.ev.Operation, x.html, x.followsForm = e.Name, e.HTML, e.FollowsForm
	tenant, err := url.PathUnescape(first)
	if err != nil {
		return errMalformed(http.StatusBadRequest)
	}
	x.pathTenant = tenant
	if err := x.ev.Injected(x.r); err != nil {
		return errInjected(err)
	}
	if x.r.Method == http.MethodOptions && x.preflight(e) {
		return nil
	}
	if e.CrossOrigin && e.Methods == reads {
		anyOrigin.Set(x.w.Header()) // also for errors, so that a page can tell what is wrong with its settings
	}
	if !e.accepts(x.r.Method) {
		return errMethod(e.Methods, x.r.Method)
	}
	if e.HTML { // a person waits for the page, and may have registered the application a moment ago
		x.r = x.r.WithContext(store.Fresh(x.r.Context()))
	}
	return e.Serve(x)
}

// preflight answers the preflight request that a browser sends for a page of another site (CORS), and
// reports whether it did. Any site may use the token endpoint, because it takes no cookies.
func (x *request) preflight(e *endpoint) bool {
	asked := x.r.Header.Get("Access-Control-Request-Method")
	switch {
	case e.Methods == reads:
		readable.Set(x.w.Header())
		preflightReads.Set(x.w.Header())
	case !e.CrossOrigin || x.r.Header.Get("Origin") == "" || asked == http.MethodHead || !e.accepts(asked):
		return false
	case e.Methods == either:
		crossOriginReads.Set(x.w.Header())
	default:
		crossOrigin.Set(x.w.Header())
	}
	x.w.WriteHeader(http.StatusOK)
	return true
}
