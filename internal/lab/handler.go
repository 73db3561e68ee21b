package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/datadir"
	"midas/internal/directory"
	"midas/internal/store"
)

// Root is the path of the API.
const Root = "/lab/v1"

// Serves reports whether a path of the server's own origin belongs to this API.
func Serves(path string) bool { return path == Root || strings.HasPrefix(path, Root+"/") }

// Handler serves the laboratory API. All exported fields must be set; New sets the others.
type Handler struct {
	Admin     datadir.Admin
	Audiences map[string]bool // of the tokens that the API accepts
	Tokens    bearer.Verifier
	Directory *directory.Directory
	Store     store.Store
	Log       *slog.Logger
	IDs       *IDs
	Clock     *clock.Clock
	Faults    *Faults
	Delays    *Delays
	Resetter  Resetter
	Shared    bool // other servers use the store

	// Remote says that the operator has given the server names at which other machines reach it. Otherwise only clients
	// on this machine are answered.
	Remote bool

	moving     sync.Mutex // held while the clock is moved or the state is captured or restored
	operations []operation
	bearer     bearer.Checker
}

// New makes a Handler ready.
func New(h *Handler) *Handler {
	h.bearer = bearer.Checker{Tokens: h.Tokens, Directory: h.Directory, Audiences: h.Audiences}
	h.operations = h.table()
	return h
}

// operation is an operation of the API. serve returns the body of the answer; nil answers 204.
type operation struct {
	method, path string // a path that ends in a slash is followed by the name of one object
	label        string
	serve        func(*request) (any, error)
}

// table lists the operations.
func (h *Handler) table() []operation {
	return []operation{
		{http.MethodGet, "", "status", h.status},
		{http.MethodGet, "/ids", "ids/read", h.listIDs},
		{http.MethodPut, "/ids", "ids/write", h.putIDs},
		{http.MethodDelete, "/ids", "ids/delete", h.deleteIDs},
		{http.MethodGet, "/clock", "clock/read", h.getClock},
		{http.MethodPost, "/clock", "clock/move", h.postClock},
		{http.MethodGet, "/faults", "faults/read", h.listFaults},
		{http.MethodPost, "/faults", "faults/write", h.postFault},
		{http.MethodDelete, "/faults", "faults/delete", h.deleteFaults},
		{http.MethodDelete, "/faults/", "faults/delete", h.deleteFault},
		{http.MethodGet, "/delays", "delays/read", h.getDelays},
		{http.MethodPut, "/delays", "delays/write", h.putDelays},
		{http.MethodDelete, "/delays", "delays/delete", h.deleteDelays},
		{http.MethodPost, "/reset", "reset", h.postReset},
		{http.MethodPut, "/reset", "capture", h.putReset},
	}
}

// request is one request with what its path names.
type request struct {
	http *http.Request
	ev   *httpx.Event
	name string // the object after the operation's path
}

func (r *request) context() context.Context { return r.http.Context() }

// Serve implements httpx.Handler.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "lab"
	body, err := h.serve(&request{http: r, ev: ev})
	setHeaders(w.Header(), ev)
	switch {
	case err != nil:
		h.fail(w, ev, err)
	case body == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		ev.Err = httpx.WriteJSON(w, http.StatusOK, body)
	}
}

// serve admits the caller before it looks at the path, so that strangers do not learn what there is.
func (h *Handler) serve(req *request) (any, error) {
	if err := h.admit(req); err != nil {
		return nil, err
	}
	op, err := h.find(req)
	if err != nil {
		return nil, err
	}
	req.ev.Operation = op.label
	return op.serve(req)
}

// find returns the operation of a request, and sets the name of its object.
func (h *Handler) find(req *request) (*operation, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(req.http.URL.Path, Root), "/")
	var allowed []string
	for i := range h.operations {
		op := &h.operations[i]
		name, matches := op.match(path)
		if !matches {
			continue
		}
		if op.method == req.http.Method {
			req.name = name
			return op, nil
		}
		allowed = append(allowed, op.method)
	}
	if allowed == nil {
		return nil, arm.Errorf(http.StatusNotFound, "NotFound", "The laboratory has nothing at this path. GET %s lists what there is.", Root)
	}
	refusal := arm.Errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "Use %s.", strings.Join(allowed, " or "))
	refusal.Header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return nil, refusal
}

func (o *operation) match(path string) (name string, matches bool) {
	if prefix, named := strings.CutSuffix(o.path, "/"); named {
		name, matches = strings.CutPrefix(path, prefix+"/")
		return name, matches && name != "" && !strings.Contains(name, "/")
	}
	return "", path == o.path
}

var common = httpx.Fixed("Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")

func setHeaders(header http.Header, ev *httpx.Event) {
	common.Set(header)
	httpx.StrictTransport(header, ev)
}

// fail writes an error. What is not an *arm.Error becomes a 500 or a 503, whose cause is only in the log.
func (h *Handler) fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	var visible *arm.Error
	switch {
	case errors.As(err, &visible):
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrClosed):
		visible = arm.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The server is busy. Please try again.")
		visible.Header = http.Header{"Retry-After": {"1"}}
		ev.Err = err
	default:
		visible = arm.Errorf(http.StatusInternalServerError, "InternalServerError", "Encountered internal server error.")
		ev.Err = err
	}
	ev.ErrorCode = visible.Code
	for name, values := range visible.Header {
		w.Header()[name] = values
	}
	ev.Err = errors.Join(ev.Err, httpx.WriteJSON(w, visible.Status, visible))
}

// Refuse writes the error for a request that the server refuses before Serve.
func (h *Handler) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.API = "lab"
	code, message := httpx.Refusal(status)
	h.fail(w, ev, arm.Errorf(status, code, "%s", message))
}

// announce writes the line of the log for a change.
func (h *Handler) announce(req *request, change string, attributes ...any) {
	h.Log.InfoContext(req.context(), "laboratory: "+change, append(attributes, "caller", req.ev.Caller)...)
}

// body decodes the JSON object of a request. Unknown members are an error, because a misspelt one would have no effect.
func (r *request) body(into any) error {
	if media, _, _ := strings.Cut(r.http.Header.Get("Content-Type"), ";"); strings.TrimSpace(media) != "application/json" {
		return arm.Errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content type must be application/json.")
	}
	decoder := json.NewDecoder(r.http.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = cmp.Or(tooLongOf(more), errors.New("there is more after the JSON value"))
		}
	}
	return refusalOf(err)
}

// tooLongOf returns the error of a body that is too long, or nil.
func tooLongOf(err error) error {
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return tooLong
	}
	return nil
}

// refusalOf maps an error of package json.
func refusalOf(err error) error {
	var tooLong *http.MaxBytesError
	var wrong *json.UnmarshalTypeError
	var visible *arm.Error
	if errors.As(err, &visible) {
		return visible
	}
	if errors.As(err, &tooLong) {
		return arm.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", tooLong.Limit)
	}
	if network := net.Error(nil); errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) { // its text has addresses
		return arm.ErrInvalidContent("the body is incomplete")
	}
	if errors.As(err, &wrong) {
		return arm.ErrInvalidContent("%s cannot be a JSON %s", cmp.Or(wrong.Field, "the body"), wrong.Value)
	}
	if err != nil {
		return arm.ErrInvalidContent("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
