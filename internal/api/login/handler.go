package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/throttle"
	"midas/internal/token"
)

// DefaultTokenLife is what Entra gives to applications, to the second.
const DefaultTokenLife = time.Hour

// Handler serves the face. All fields are required but those that say what stands for zero. It is safe
// for concurrent use, and not to be copied.
type Handler struct {
	Directory  *directory.Directory
	Grants     *grant.Grants
	Minter     *token.Minter   // its Issuer's Origin is where this face is reached, and whose name tokens bear
	Tokens     *token.Verifier // of the same keys and origin
	HomeTenant string          // the tenant behind the paths that name none, as AD FS has them
	Now        func() time.Time
	NewID      func() string // a GUID

	TokenLife     time.Duration // of access tokens, in whole seconds; 0 means DefaultTokenLife
	DeviceWait    time.Duration // between two questions of a device, in whole seconds; 0 means DefaultDeviceWait
	SessionLife   time.Duration // of a browser's session; 0 means DefaultSessionLife
	SessionIdle   time.Duration // of a session that nobody uses; 0 means DefaultSessionIdle
	MaxAssertions int           // at most so many client assertions are remembered; 0 means DefaultAssertions

	Throttle  *throttle.Table // of everything that is counted about clients
	Passwords *throttle.Passwords
	Limits    Limits

	assertions assertions
}

// exchange is one request on its way through the face.
type exchange struct {
	w           http.ResponseWriter
	r           *http.Request
	ev          *httpx.Event
	began       time.Time
	tenant      string // as the path names it
	origin      string // under which the client has reached the face
	azure       bool   // that is one of Azure's names
	html        bool   // a person reads the answer, errors too
	correlation string
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
	x := &exchange{w: w, r: r, ev: ev, began: h.Now(), origin: h.issuer().Origin}
	if x.azure = azure.FaceOf(r.Host) == azure.Login; x.azure {
		x.origin = "https://" + azure.Name(r.Host)
	}
	setAll(w.Header(), always)
	httpx.StrictTransport(w.Header(), ev)
	x.correlate(h.NewID)
	return x
}

func (h *Handler) dispatch(x *exchange) error {
	// The path is cut while it is escaped, so that a %2F stays inside its segment.
	first, rest, _ := strings.Cut(strings.TrimPrefix(x.r.URL.EscapedPath(), "/"), "/")
	e, ok := find(first, rest)
	if !ok {
		return errMalformed(http.StatusNotFound)
	}
	x.ev.Operation, x.html = e.name, e.html
	tenant, err := url.PathUnescape(first)
	if err != nil {
		return errMalformed(http.StatusBadRequest)
	}
	x.tenant = tenant
	if x.r.Method == http.MethodOptions && x.preflight(e) {
		return nil
	}
	if !e.accepts(x.r.Method) {
		return errMethod(e.methods, x.r.Method)
	}
	return e.serve(h, x)
}

// preflight answers what browsers ask before a page of another site may read an answer. The token
// endpoint is asked by pages too, and takes no cookies, so any page may.
func (x *exchange) preflight(e endpoint) bool {
	switch {
	case e.methods == reads:
		setAll(x.w.Header(), readable)
	case e.crossOrigin && x.r.Header.Get("Origin") != "" && x.r.Header.Get("Access-Control-Request-Method") == http.MethodPost:
		setAll(x.w.Header(), crossOrigin)
	default:
		return false
	}
	x.w.WriteHeader(http.StatusOK)
	return true
}

func (h *Handler) issuer() *token.Issuer { return h.Minter.Issuer }

func (h *Handler) tokenLife() time.Duration {
	if h.TokenLife == 0 {
		return DefaultTokenLife
	}
	return h.TokenLife
}

// issuerV1 is the issuer that the client knows a tenant by: ours, or Azure's if it came by that name.
func (h *Handler) issuerV1(x *exchange, tenant string) string {
	if x.azure {
		return "https://sts.windows.net/" + tenant + "/"
	}
	return h.issuer().IssuerV1(tenant)
}

// issuerV2 is issuerV1 of the newer documents.
func (h *Handler) issuerV2(x *exchange, tenant string) string {
	if x.azure {
		return "https://" + azure.LoginHost + "/" + tenant + "/v2.0"
	}
	return h.issuer().IssuerV2(tenant)
}
