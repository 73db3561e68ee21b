package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is an error answer that a laboratory gives instead of the answer of an operation. Each API writes it in its own
// error format.
type Fault struct {
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration // 0: the answer has no Retry-After
}

// Error implements error.
func (f *Fault) Error() string { return "a fault of the laboratory: " + f.Code }

// RetrySeconds is the value of the header Retry-After, in whole seconds; empty without one.
func (f *Fault) RetrySeconds() string {
	if f.RetryAfter <= 0 {
		return ""
	}
	return strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))
}

// Header has the headers of the answer; nil if there are none.
func (f *Fault) Header() http.Header {
	if s := f.RetrySeconds(); s != "" {
		return http.Header{"Retry-After": {s}}
	}
	return nil
}

// AsFault returns the *Fault in an error, or nil.
func AsFault(err error) *Fault {
	var f *Fault
	errors.As(err, &f)
	return f
}

// Injected returns the *Fault that a laboratory injects into a request, or nil. A Handler calls it when it has set API and
// Operation, before it reads the body or changes anything.
func (e *Event) Injected(r *http.Request) error {
	if e == nil || e.lab == nil {
		return nil
	}
	return e.lab.inject(r, e)
}

// injection is how a laboratory changes the answer of a request.
type injection struct {
	inject     func(*http.Request, *Event) error // Options.Inject
	header     http.Header                       // of the answer
	slow       time.Duration                     // for how long the body is sent
	substitute []byte                            // the body; nil: that of the API
	reset      bool
}

// SetHeader sets a header of the answer. Only Options.Inject may call it.
func (e *Event) SetHeader(name, value string) { e.lab.header.Set(name, value) }

// Slow makes the body of the answer take a time.
func (e *Event) Slow(d time.Duration) { e.lab.slow = d }

// Substitute replaces the body of the answer.
func (e *Event) Substitute(body []byte) { e.lab.substitute = body }

// Reset ends the connection of the request, or with HTTP/2 its stream, without an answer. It does not return.
func (e *Event) Reset() {
	e.lab.reset, e.Status, e.ErrorCode = true, StatusClientGone, "ConnectionReset"
	panic(http.ErrAbortHandler)
}

// abort closes the connection of an answer so that the client's operating system reports a reset. HTTP/2 resets the
// stream instead, when the handler has ended.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	below := conn
	for {
		inner, wrapped := below.(interface{ NetConn() net.Conn })
		if !wrapped {
			break
		}
		below = inner.NetConn()
	}
	if t, isTCP := below.(*net.TCPConn); isTCP {
		_ = t.SetLinger(0)
	}
	if _, isTLS := conn.(*tls.Conn); isTLS {
		conn = below // without the close_notify of TLS
	}
	_ = conn.Close()
}

// slowParts is the number of parts in which a slow body is sent.
const slowParts = 10

// writeSlowly sends a body in parts, with pauses between them.
func (w *response) writeSlowly(p []byte) (sent int, err error) {
	part := max(1, len(p)/slowParts)
	pause := w.event.lab.slow / slowParts
	for len(p) > 0 && err == nil {
		n := min(part, len(p))
		n, err = w.ResponseWriter.Write(p[:n])
		w.bytes += int64(n)
		sent, p = sent+n, p[n:]
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		if !waited(w.request.Context(), pause) {
			return sent, context.Canceled
		}
	}
	return sent, err
}

// waited reports whether a time has passed before ctx has ended.
func waited(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
