package httpx

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"midas/internal/arm"
)

// Event describes one request. It belongs to the request's goroutine and must not be kept after Serve has
// returned.
type Event struct {
	// Filled by New before the Handler is called.
	RequestID       string // a new GUID
	CorrelationID   string // the caller's x-ms-correlation-request-id if it is sane, else RequestID
	ClientRequestID string // the caller's x-ms-client-request-id or client-request-id, if it is sane
	ClientIP        string // the peer's address, or the address that a trusted proxy gives (Proxies)
	Proxy           string // the address of the trusted proxy that named ClientIP; empty if ClientIP is the peer
	Method          string
	Path            string // escaped, without the query; the log shows its beginning
	Start           time.Time
	Local           bool // the Host header is localhost or a loopback address

	StrictSubdomains bool // Options.StrictSubdomains

	// Filled by the Handler. API and Operation become metric labels, so their values come from code,
	// never from the request.
	API       string // "management", "login"
	Operation string // "Microsoft.ManagedIdentity/userAssignedIdentities/read"; empty when none was found
	Caller    string // who was authenticated, by object id; empty before that
	ErrorCode string // the code that the client was given, "AuthorizationFailed"
	Err       error  // the cause behind an error; it is only logged
	Routine   bool   // programs send this request all the time: success is logged at the level debug

	// Filled by New after the Handler has returned.
	Status   int
	Bytes    int64 // of the response's body
	Duration time.Duration

	lab *injection // nil outside of laboratories

	stack   []byte  // of a panic
	answers *Budget // nil in an event that New's handler has not made
	making  bool    // the event's list is counted in answers
}

// MakeList waits until the Handler may make a page of a list. The Handler calls it before it reads the
// records of the page. The turn ends when the answer is encoded, so a client that does not read its answers
// blocks no turn. MakeList returns the error of ctx if ctx ends first.
func (e *Event) MakeList(ctx context.Context) error {
	if e == nil || e.answers == nil || e.making {
		return nil
	}
	if err := e.answers.beginList(ctx); err != nil {
		return err
	}
	e.making = true
	return nil
}

// endList ends the turn of MakeList, if the event has one.
func (e *Event) endList() {
	if e.making {
		e.making = false
		e.answers.endList()
	}
}

// StatusClientGone is the reported status of a request whose client closed the connection before the
// answer, so that it does not count as a fault of the server.
const StatusClientGone = 499

// level returns the level at which the event is logged: error for faults of the server (5xx), debug for
// routine requests that succeed, info for all others.
func (e *Event) level() slog.Level {
	switch {
	case e.Status >= 500:
		return slog.LevelError
	case e.Routine && e.Status < 400:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// LogValue implements slog.LogValuer.
func (e *Event) LogValue() slog.Value { return slog.GroupValue(e.attrs(make([]slog.Attr, 0, 16))...) }

// attrs appends the fields of the event that are not empty.
func (e *Event) attrs(to []slog.Attr) []slog.Attr {
	to = append(to,
		slog.String("method", clip(e.Method)),
		slog.String("path", clip(e.Path)),
		slog.Int("status", e.Status),
		slog.Int64("bytes", e.Bytes),
		slog.Duration("duration", e.Duration),
		slog.String("request", e.RequestID),
	)
	for _, a := range [...]struct{ key, value string }{
		{"api", e.API},
		{"operation", e.Operation},
		{"caller", e.Caller},
		{"client", e.ClientIP},
		{"proxy", e.Proxy},
		{"client_request", e.ClientRequestID},
		{"code", e.ErrorCode},
	} {
		if a.value != "" {
			to = append(to, slog.String(a.key, clip(a.value)))
		}
	}
	if e.CorrelationID != e.RequestID {
		to = append(to, slog.String("correlation", clip(e.CorrelationID)))
	}
	if e.Err != nil {
		to = append(to, slog.String("cause", arm.Printable(clip(e.Err.Error()))))
	}
	if e.stack != nil {
		to = append(to, slog.String("stack", string(e.stack)))
	}
	return to
}

// refused reports whether the status is 4xx. Anybody can cause any number of such answers.
func (e *Event) refused() bool { return e.Status >= 400 && e.Status < 500 }

// maxLogged is the number of bytes of one field that are logged.
const maxLogged = 1 << 10

// clip bounds the length of a text from a client, so that log lines stay short.
func clip(field string) string {
	if len(field) > maxLogged {
		return strings.ToValidUTF8(field[:maxLogged], "") + "..."
	}
	return field
}
