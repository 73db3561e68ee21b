package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/fleet"
	"midas/internal/host"
	"midas/internal/identity"
	"midas/internal/store"
	"midas/internal/token"
)

// Signer signs documents that others than hosts are to believe.
type Signer interface {
	Sign(document []byte) ([]byte, error)
}

// Handler serves hosts. All fields must be set.
type Handler struct {
	Fleet     *fleet.Fleet
	Directory *directory.Directory
	Minter    *token.Minter
	Documents Signer
	Log       *slog.Logger
	SignIns   *SignIns
	Now       func() time.Time
	TokenLife time.Duration // of a managed identity's tokens

	draining chan struct{}
	waits    *waits
}

// New makes the handler ready.
func New(h Handler) *Handler {
	h.draining = make(chan struct{})
	h.waits = &waits{most: maxWaits, byHost: map[string][]*wait{}}
	return &h
}

// Drain ends the requests that wait for changes, so that the server can end. It is called once.
func (h *Handler) Drain() { close(h.draining) }

// Serves tells whether a path is one of this face's.
func Serves(path string) bool { return strings.HasPrefix(path, host.PathPrefix) }

// exchange is one request.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	ev   *httpx.Event
	host fleet.Host // of those that need one
}

// operation is what a path leads to.
type operation struct {
	method, label string
	open          bool // to those who are no host yet
	serve         func(*exchange) error
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
	ev.Face = "hosts"
	if err := h.serve(&exchange{w: w, r: r, ev: ev}); err != nil {
		h.fail(w, ev, err)
	}
}

func (h *Handler) serve(x *exchange) error {
	op, found := h.operation(x.r.URL.Path)
	if !found {
		return &refusal{status: http.StatusNotFound, code: host.CodeNotFound, message: "There is nothing here."}
	}
	x.ev.Operation = op.label
	if x.r.Method != op.method {
		return &refusal{status: http.StatusMethodNotAllowed, code: host.CodeMethod, message: "Use " + op.method + ".", allow: op.method}
	}
	if !op.open {
		if err := h.recognize(x); err != nil {
			return err
		}
	}
	return op.serve(x)
}

// recognize finds out which host this is, from the certificate that it has shown in the handshake.
func (h *Handler) recognize(x *exchange) (err error) {
	if x.r.TLS == nil || len(x.r.TLS.VerifiedChains) == 0 {
		return fmt.Errorf("%w: it has shown no certificate", fleet.ErrUnknown)
	}
	x.host, err = h.Fleet.Recognize(x.r.Context(), x.r.TLS.VerifiedChains[0][0])
	x.ev.Caller = x.host.ID
	return err
}

// refusal is an answer other than what was asked for.
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

// asRefusal words an error for a host. What is not the host's business is only in the log.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	for _, known := range []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{fleet.ErrUnknown, http.StatusForbidden, host.CodeRevoked, "This host is not known, or not any more. It has to be enrolled."},
		{fleet.ErrInvitation, http.StatusForbidden, host.CodeEnrolmentToken, "The enrolment token is not known, was used already, or is too old."},
		{fleet.ErrRequest, http.StatusBadRequest, host.CodeInvalidRequest, "The certificate request is not acceptable."},
		{identity.ErrNotAssigned, http.StatusNotFound, host.CodeNotAssigned, "The identity is not assigned to this host's resource."},
		{identity.ErrNone, http.StatusNotFound, host.CodeNone, "This host's resource has no identity."},
		{identity.ErrSeveral, http.StatusNotFound, host.CodeSeveral, "This host's resource has several identities, and none was selected."},
		{host.ErrAudience, http.StatusBadRequest, host.CodeAudience, "The audience cannot be put into a token."},
		{directory.ErrResourceDisabled, http.StatusBadRequest, host.CodeDisabled, "The service principal of the audience is disabled."},
		{directory.ErrNotAssigned, http.StatusBadRequest, host.CodeNotAllowed, "The identity is not assigned to a role for the application of the audience."},
	} {
		if errors.Is(err, known.err) {
			return &refusal{status: known.status, code: known.code, message: known.message, cause: err}
		}
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

// decode reads a body of JSON, all of it, knowing every member.
func (x *exchange) decode(into any) error {
	if mediaType, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &refusal{status: http.StatusUnsupportedMediaType, code: host.CodeInvalidRequest, message: "The request is not application/json."}
	}
	dec := json.NewDecoder(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest(errors.New("something follows the object"))
	}
	return nil
}

// maxBody is more than the largest request needs.
const maxBody = 32 << 10

// answer sends what is for this host only.
func (x *exchange) answer(v any) error {
	x.w.Header().Set("Cache-Control", "no-store")
	return httpx.WriteJSON(x.w, http.StatusOK, v)
}
