package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"midas/internal/trace"
)

// Limits on what a client may send, in bytes. The limits of the URI and the headers are below those of
// net/http, so that the Handler can write the refusal in the form of its API.
const (
	MaxURI         = 8 << 10
	MaxHeaders     = 32 << 10
	DefaultMaxBody = 1 << 20
)

// Handler serves an API. It fills ev while it serves, and does not use ev or w after Serve has returned.
type Handler interface {
	Serve(w http.ResponseWriter, r *http.Request, ev *Event)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(w http.ResponseWriter, r *http.Request, ev *Event)

// Serve calls f.
func (f HandlerFunc) Serve(w http.ResponseWriter, r *http.Request, ev *Event) { f(w, r, ev) }

// Refuser is a Handler that writes the refusals of New in the form of its API.
// The status is 414 if the URI is too long and 431 if the headers are too large. It is 429 if the Handler has
// answered but the caller has too many unread answers; Retry-After is then set already. For a Handler that is
// not a Refuser, New writes the body of the function Refuse.
type Refuser interface {
	Refuse(w http.ResponseWriter, r *http.Request, ev *Event, status int)
}

// Options of New. Log, Metrics, Now and NewID are required.
type Options struct {
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time // the machine's clock, for durations; never a simulated clock
	NewID   func() string    // a GUID
	MaxBody int64            // bytes of a request's body; 0 means DefaultMaxBody
	Answers *Budget          // shared by all handlers of one process; nil makes one
	Proxies Proxies          // the proxies whose X-Forwarded-For and Forwarded headers are trusted
	Tracing *Tracing         // nil: requests are not traced

	// Inject returns the *Fault that a laboratory injects into a request; nil for a request that goes on. Handlers call it
	// with Event.Injected. Nil outside of laboratories.
	Inject func(*http.Request, *Event) error

	StrictSubdomains bool // StrictTransport adds includeSubDomains
}

// New wraps a Handler into an http.Handler. It is safe for concurrent use.
func New(next Handler, o Options) http.Handler {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Answers == nil {
		o.Answers = NewBudget(DefaultAnswerBytes)
	}
	refuse := func(w http.ResponseWriter, _ *http.Request, ev *Event, status int) { Refuse(w, ev, status) }
	if r, ok := next.(Refuser); ok {
		refuse = r.Refuse
	}
	return &handler{next: next, refuse: refuse, Options: o, refusals: &sampler{log: o.Log, now: o.Now}}
}

type handler struct {
	Options
	next   Handler
	refuse func(http.ResponseWriter, *http.Request, *Event, int)

	refusals *sampler
}

// request is the state of one request, in one allocation.
type request struct {
	event    Event
	response response
	id       [1]string   // the request's id as a header's value
	span     *trace.Span // nil without Tracing
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{response: response{ResponseWriter: w, handler: h, request: r}}
	ev := &req.event
	req.response.event = ev
	h.begin(ev, r)
	if h.Inject != nil {
		ev.lab = &injection{inject: h.Inject, header: w.Header()}
	}
	if h.Tracing != nil {
		r, req.span = h.Tracing.begin(r, ev)
		req.response.request = r
	}
	req.id[0] = ev.RequestID
	w.Header()["X-Ms-Request-Id"] = req.id[:]
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// The request may have had a Content-Length as well, which net/http removes. A proxy that used
		// that length reads the next bytes as the body of this request and not as the next request, so
		// the connection must end (RFC 9112, 6.1).
		w.Header()["Connection"] = []string{"close"}
	}
	if r.Body != nil && r.Body != http.NoBody {
		// MaxBytesReader gets the server's own writer, through which it makes the server close the
		// connection if the body is too long. r itself stays unchanged: if its Body were replaced, the
		// server would not see that a body with "Expect: 100-continue" was never asked for, and would
		// wait for it.
		bounded := *r
		bounded.Body = http.MaxBytesReader(w, r.Body, h.MaxBody)
		r = &bounded
		req.response.request = r
	}
	h.Metrics.inFlight.Inc()
	defer h.end(req, r)
	switch {
	case len(r.RequestURI) > MaxURI:
		h.refuse(&req.response, r, ev, http.StatusRequestURITooLong)
		return
	case sizeOf(r.Header) > MaxHeaders:
		h.refuse(&req.response, r, ev, http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	h.next.Serve(&req.response, r, ev)
}

// begin fills the fields that are known before the Handler is called.
func (h *handler) begin(ev *Event, r *http.Request) {
	ev.Start, ev.answers = h.Now(), h.Answers
	ev.RequestID = h.NewID()
	ev.CorrelationID = first(r.Header, "X-Ms-Correlation-Request-Id", sane)
	if ev.CorrelationID == "" {
		ev.CorrelationID = ev.RequestID
	}
	ev.ClientRequestID = first(r.Header, "X-Ms-Client-Request-Id", printable)
	if ev.ClientRequestID == "" {
		ev.ClientRequestID = first(r.Header, "Client-Request-Id", printable)
	}
	ev.Method = r.Method
	ev.Path = r.URL.EscapedPath()
	ev.Local, ev.StrictSubdomains = loopback(r.Host), h.StrictSubdomains
	ev.ClientIP = hostOf(r.RemoteAddr)
	if len(h.Proxies) > 0 {
		if client := h.Proxies.client(r); client != ev.ClientIP {
			ev.ClientIP, ev.Proxy = client, ev.ClientIP
		}
	}
}

// end reports the event. It must be deferred, because it also recovers from panics. A panic before the first
// byte becomes a plain 500. After the first byte, or if the Handler panics with http.ErrAbortHandler, end
// closes the connection, so that the client notices that the answer is incomplete.
func (h *handler) end(req *request, r *http.Request) {
	ev, cut := &req.event, false
	ev.endList()
	if cause := recover(); cause != nil {
		cut = cause == http.ErrAbortHandler || req.response.status != 0
		if cause != http.ErrAbortHandler {
			ev.Err, ev.stack = fmt.Errorf("panic: %v", cause), debug.Stack()
			ev.ErrorCode = "InternalServerError"
			ev.Status = http.StatusInternalServerError
		}
		if !cut {
			writePlain(&req.response, http.StatusInternalServerError, ev.ErrorCode, "The server encountered an internal error. Please retry the request.")
		}
	}
	ev.Bytes = req.response.bytes
	switch {
	case ev.Status != 0: // a panic
	case errors.Is(ev.Err, context.Canceled) && r.Context().Err() != nil:
		ev.Status = StatusClientGone
	case req.response.status == 0:
		ev.Status = http.StatusOK // net/http writes 200 if the Handler has written nothing
	default:
		ev.Status = req.response.status
	}
	ev.Duration = h.Now().Sub(ev.Start)
	h.Metrics.inFlight.Dec()
	h.Metrics.observe(ev)
	h.log(r.Context(), ev)
	endSpan(req.span, r, ev)
	if cut && ev.lab != nil && ev.lab.reset {
		abort(req.response.ResponseWriter)
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// log writes the request's line. It makes the slog.Record itself, because a Logger would look up its caller's
// source position for each line, and that position is always this one.
func (h *handler) log(ctx context.Context, ev *Event) {
	level := ev.level()
	if !h.Log.Enabled(ctx, level) || ev.refused() && !h.refusals.allow(ev) {
		return
	}
	var attrs [16]slog.Attr
	line := slog.NewRecord(ev.Start.Add(ev.Duration), level, "request", 0)
	line.AddAttrs(ev.attrs(attrs[:0])...)
	_ = h.Log.Handler().Handle(ctx, line)
}

// sizeOf returns the size of the headers in bytes, with ": " and a line end for each.
func sizeOf(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// Refuse writes a refusal with a plain JSON body, for Handlers that are not Refusers.
func Refuse(w http.ResponseWriter, ev *Event, status int) {
	code, message := Refusal(status)
	ev.ErrorCode = code
	writePlain(w, status, code, message)
}

// Refusal returns the code and the message for one of the statuses of Refuser.
func Refusal(status int) (code, message string) {
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		return "RequestHeaderFieldsTooLarge", "The request's headers are too large."
	case http.StatusTooManyRequests:
		return "TooManyRequests", "Too many answers to this caller have not been read yet. Read them, or ask again later."
	}
	return "UriTooLong", "The request's URI is too long."
}

// writePlain writes an error as JSON. It removes headers that the Handler has set for another answer.
func writePlain(w http.ResponseWriter, status int, code, message string) {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = code, message
	header := w.Header()
	for name := range header {
		if name != "X-Ms-Request-Id" && name != "Connection" && name != "Retry-After" {
			delete(header, name)
		}
	}
	_ = WriteJSON(w, status, body) // encoding two strings cannot fail
}

// first returns the value of a header if there is exactly one, it has at most 64 bytes, and all its bytes are
// acceptable. Otherwise it returns an empty text.
func first(h http.Header, canonical string, acceptable func(byte) bool) string {
	values := h[canonical]
	if len(values) != 1 || len(values[0]) > 64 {
		return ""
	}
	for i := 0; i < len(values[0]); i++ {
		if !acceptable(values[0][i]) {
			return ""
		}
	}
	return values[0]
}

// sane reports whether c may be part of a correlation id: letters, digits and hyphens, of which GUIDs consist
// and the ids that some clients send instead. Correlation ids are stored and sent back, so all other
// characters are refused.
func sane(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-'
}

func printable(c byte) bool { return ' ' < c && c < 0x7f }
