package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/token"
)

// DefaultTokenLife is what Entra gives to applications, to the second.
const DefaultTokenLife = time.Hour

// Handler serves the face. Directory, Minter, Now and NewID are required. It is safe for concurrent
// use, and not to be copied.
type Handler struct {
	Directory *directory.Directory
	Minter    *token.Minter // its Issuer's Origin is where this face is reached
	Now       func() time.Time
	NewID     func() string // a GUID
	TokenLife time.Duration // of access tokens, in whole seconds; 0 means DefaultTokenLife

	// Guesses slows down who guesses secrets. Its zero value has sensible limits.
	Guesses Throttle
}

// exchange is one request on its way through the face.
type exchange struct {
	w           http.ResponseWriter
	r           *http.Request
	ev          *httpx.Event
	tenant      string // as the path names it
	correlation string
}

// endpoint is one kind of request. Its name is a metric label.
type endpoint struct {
	name    string
	methods string // what it accepts, as AADSTS900561 lists it
	serve   func(*Handler, *exchange) error
}

// find gives the endpoint of the path behind the tenant.
func find(rest string) (endpoint, bool) {
	const reads = "GET, OPTIONS"
	switch arm.Fold(rest) {
	case "v2.0/.well-known/openid-configuration":
		return endpoint{"openid-configuration v2.0", reads, (*Handler).configurationV2}, true
	case ".well-known/openid-configuration":
		return endpoint{"openid-configuration v1.0", reads, (*Handler).configurationV1}, true
	case "discovery/v2.0/keys":
		return endpoint{"keys v2.0", reads, (*Handler).keysV2}, true
	case "discovery/keys":
		return endpoint{"keys v1.0", reads, (*Handler).keysV1}, true
	case "discovery/instance":
		return endpoint{"instance discovery", reads, (*Handler).instance}, true
	case "oauth2/v2.0/token":
		return endpoint{"token v2.0", http.MethodPost, (*Handler).tokenV2}, true
	case "oauth2/token":
		return endpoint{"token v1.0", http.MethodPost, (*Handler).tokenV1}, true
	}
	return endpoint{}, false
}

// Serves reports whether a decoded path belongs to this face. What begins like a path of ARM never
// does, whatever follows.
func Serves(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch arm.Fold(first) {
	case "", "subscriptions", "providers", "tenants", "metadata":
		return false
	case common, organizations:
		return true
	}
	second, _, _ := strings.Cut(rest, "/")
	switch arm.Fold(second) {
	case "oauth2", "v2.0", ".well-known", "discovery":
		return true
	}
	return false
}

// Serve answers one request. It implements httpx.Handler.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	x := h.begin(w, r, ev)
	if err := h.dispatch(x); err != nil {
		h.fail(x, err)
	}
}

// Refuse words what was refused before it reached the face. It implements httpx.Refuser.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	h.fail(h.begin(w, r, ev), errMalformed(status))
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, ev *httpx.Event) *exchange {
	ev.Face = "login"
	x := &exchange{w: w, r: r, ev: ev}
	setAll(w.Header(), always)
	x.correlate(h.NewID)
	return x
}

func (h *Handler) dispatch(x *exchange) error {
	// The path is cut while it is escaped, so that a %2F stays inside its segment.
	first, rest, _ := strings.Cut(strings.TrimPrefix(x.r.URL.EscapedPath(), "/"), "/")
	e, ok := find(rest)
	if !ok {
		return errMalformed(http.StatusNotFound)
	}
	x.ev.Operation = e.name
	tenant, err := url.PathUnescape(first)
	if err != nil {
		return errMalformed(http.StatusBadRequest)
	}
	x.tenant = tenant
	switch method := x.r.Method; {
	case e.methods == method:
	case e.methods != http.MethodPost && (method == http.MethodGet || method == http.MethodHead):
	case e.methods != http.MethodPost && method == http.MethodOptions:
		setAll(x.w.Header(), readable)
		x.w.WriteHeader(http.StatusOK)
		return nil
	default:
		return errMethod(e.methods, method)
	}
	return e.serve(h, x)
}

func (h *Handler) issuer() *token.Issuer { return h.Minter.Issuer }

func (h *Handler) tokenLife() time.Duration {
	if h.TokenLife == 0 {
		return DefaultTokenLife
	}
	return h.TokenLife
}
