package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/api/signin"
	"midas/internal/directory"
	"midas/internal/fleet"
	"midas/internal/host"
	"midas/internal/store"
	"midas/internal/token"
)

// Signer signs attested documents, which services other than the host verify.
type Signer interface {
	Sign(document []byte) ([]byte, error)
}

// Handler serves hosts. All fields except Servers and Name must be set.
type Handler struct {
	Fleet         *fleet.Fleet
	Directory     *directory.Directory
	Minter        *token.Minter
	Documents     Signer
	Log           *slog.Logger
	SignIns       *signin.Log
	Now           func() time.Time
	TokenLifetime time.Duration // of a managed identity's tokens

	// Servers returns the URLs of all replicas that hosts can reach. Nil: there is only this server.
	Servers func() []string
	Name    string // the host name of the installation, for which all replicas have a certificate

	// Origin is the URL at which agents reach the server without a proxy that ends TLS.
	Origin string

	draining chan struct{}
	drain    func()
	waits    *waits
}

// New makes a Handler from the exported fields of h.
func New(h Handler) *Handler {
	h.draining = make(chan struct{})
	h.drain = sync.OnceFunc(func() { close(h.draining) })
	h.waits = &waits{most: maxWaits, byHost: map[string][]*wait{}}
	return &h
}

// Drain answers the requests that wait for changes, so that the server can shut down.
func (h *Handler) Drain() { h.drain() }

// Serves reports whether a path belongs to this API.
func Serves(path string) bool { return strings.HasPrefix(path, host.PathPrefix) }

// request is a request while it is served.
type request struct {
	w    http.ResponseWriter
	r    *http.Request
	ev   *httpx.Event
	host fleet.Host // the zero value for operations that need no certificate
}

// operation is an operation of the API.
type operation struct {
	method, label string
	public        bool // needs no client certificate
	serve         func(*request) error
}

func (h *Handler) operation(path string) (operation, bool) {
	switch path {
	case host.PathEnroll:
		return operation{http.MethodPost, "enroll", true, h.enroll}, true
	case host.PathRenew:
		return operation{http.MethodPost, "renew", false, h.renew}, true
	case host.PathToken:
		return operation{http.MethodPost, "token", false, h.token}, true
	case host.PathState:
		return operation{http.MethodGet, "state", false, h.state}, true
	case host.PathAttest:
		return operation{http.MethodPost, "attest", false, h.attest}, true
	}
	return operation{}, false
}

// Serve implements httpx.Handler.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "hosts"
	if err := h.serve(&request{w: w, r: r, ev: ev}); err != nil {
		h.fail(w, ev, err)
	}
}

func (h *Handler) serve(req *request) error {
	op, found := h.operation(req.r.URL.Path)
	if !found {
		return &refusal{status: http.StatusNotFound, code: host.CodeNotFound, message: "There is no such operation."}
	}
	req.ev.Operation = op.label
	if err := req.ev.Injected(req.r); err != nil {
		return err
	}
	heard, err := heardOf(req.r)
	if err != nil {
		return err
	}
	if ctx := h.Fleet.Since(req.r.Context(), heard); ctx != req.r.Context() {
		req.r = req.r.WithContext(ctx)
	}
	if req.r.Method != op.method {
		return &refusal{status: http.StatusMethodNotAllowed, code: host.CodeMethod, message: "Use " + op.method + ".", allow: op.method}
	}
	if err := h.direct(req); err != nil {
		return err
	}
	if !op.public {
		if err := h.authenticate(req); err != nil {
			return err
		}
	}
	return op.serve(req)
}

// heardOf returns the revision of host.HeaderRevision; 0 without one.
func heardOf(r *http.Request) (uint64, error) {
	text := r.Header.Get(host.HeaderRevision)
	if text == "" {
		return 0, nil
	}
	heard, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badRequest(fmt.Errorf("%s: %w", host.HeaderRevision, err))
	}
	return heard, nil
}

// direct refuses a request that a reverse proxy has forwarded, before an enrollment token is used up: such a proxy ends
// TLS, so the host could never show its certificate. Agents send none of these headers themselves, and never HTTP/1.0,
// which nginx speaks to servers unless it is told otherwise.
func (h *Handler) direct(req *request) error {
	header := req.r.Header
	if req.r.ProtoAtLeast(1, 1) && len(header["X-Forwarded-For"])+len(header["X-Forwarded-Proto"])+len(header["X-Forwarded-Host"])+
		len(header["X-Real-Ip"])+len(header["Forwarded"])+len(header["Via"]) == 0 {
		return nil
	}
	return &refusal{
		status: http.StatusMisdirectedRequest, code: host.CodeProxied,
		message: "A reverse proxy has ended TLS on the way to the server, so agents cannot use this address. Use " + h.Origin + ".",
	}
}

// authenticate finds the host of the client certificate.
func (h *Handler) authenticate(req *request) (err error) {
	if req.r.TLS == nil || len(req.r.TLS.VerifiedChains) == 0 {
		return fmt.Errorf("%w: it has no client certificate", fleet.ErrUnknown)
	}
	req.host, err = h.Fleet.Authenticate(req.r.Context(), req.r.TLS.VerifiedChains[0][0])
	req.ev.Caller = req.host.ID
	return err
}

// refusal is an error answer.
type refusal struct {
	status        int
	code, message string
	allow, retry  string // values of the headers Allow and Retry-After
	cause         error
}

// Error implements error.
func (r *refusal) Error() string { return r.code + ": " + r.message }

func badRequest(cause error) error {
	return &refusal{status: http.StatusBadRequest, code: host.CodeInvalidRequest, message: "The request cannot be read.", cause: cause}
}

// asRefusal maps an error to the answer. Unexpected errors become a 500 whose cause is only logged.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	if f := httpx.AsFault(err); f != nil {
		return &refusal{status: f.Status, code: f.Code, message: f.Message, retry: f.RetrySeconds(), cause: err}
	}
	for _, known := range []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{fleet.ErrUnknown, http.StatusForbidden, host.CodeRevoked, "This host is unknown or was revoked. It has to be enrolled."},
		{fleet.ErrEnrollmentToken, http.StatusForbidden, host.CodeEnrollmentToken, "The enrollment token is unknown, was used already, or has expired."},
		{fleet.ErrLocked, http.StatusConflict, host.CodeLocked, "A lock forbids to add a host to the resource. Remove the lock and try again."},
		{fleet.ErrRequest, http.StatusBadRequest, host.CodeInvalidRequest, "The certificate request is invalid."},
		{host.ErrNotAssigned, http.StatusNotFound, host.CodeNotAssigned, "The identity is not assigned to this host's resource."},
		{host.ErrNone, http.StatusNotFound, host.CodeNone, "This host's resource has no identity."},
		{host.ErrSeveral, http.StatusNotFound, host.CodeSeveral, "This host's resource has several identities, and none was selected."},
		{host.ErrAudience, http.StatusBadRequest, host.CodeAudience, "The audience cannot be put into a token."},
		{directory.ErrResourceDisabled, http.StatusBadRequest, host.CodeDisabled, "The service principal of the audience is disabled."},
		{directory.ErrNotAssigned, http.StatusBadRequest, host.CodeNotAllowed, "The identity is not assigned to a role for the application of the audience."},
	} {
		if errors.Is(err, known.err) {
			return &refusal{status: known.status, code: known.code, message: known.message, cause: err}
		}
	}
	if errors.Is(err, store.ErrOutdated) {
		return &refusal{status: http.StatusServiceUnavailable, code: host.CodeUnavailable, message: "The server is not available at the moment.", retry: "1", cause: err}
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrClosed) {
		return &refusal{status: http.StatusServiceUnavailable, code: host.CodeUnavailable, message: "The server takes no changes at the moment.", retry: "10", cause: err}
	}
	return &refusal{status: http.StatusInternalServerError, code: host.CodeInternal, message: "The server has failed.", cause: err}
}

func (h *Handler) fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	r := asRefusal(err)
	ev.ErrorCode, ev.Err = r.code, r.cause
	if r.allow != "" {
		w.Header().Set("Allow", r.allow)
	}
	if r.retry != "" {
		w.Header().Set("Retry-After", r.retry)
	}
	var body host.Problem
	body.Error.Code, body.Error.Message = r.code, r.message
	if err := httpx.WriteJSON(w, r.status, body); err != nil {
		ev.Err = err
	}
}

// decode reads a JSON body. Unknown members and data after the object are errors.
func (req *request) decode(into any) error {
	if mediaType, _, err := mime.ParseMediaType(req.r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &refusal{status: http.StatusUnsupportedMediaType, code: host.CodeInvalidRequest, message: "The request is not application/json."}
	}
	dec := json.NewDecoder(http.MaxBytesReader(req.w, req.r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest(errors.New("the body has data after the object"))
	}
	return nil
}

// maxBody is the largest body of a request, in bytes. All valid requests are smaller.
const maxBody = 32 << 10

// answer sends v as JSON that must not be cached.
func (req *request) answer(v any) error {
	req.w.Header().Set("Cache-Control", "no-store")
	return httpx.WriteJSON(req.w, http.StatusOK, v)
}
