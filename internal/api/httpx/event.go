package httpx

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// Event describes one request. It belongs to the request's goroutine and must not be kept after Serve has
// returned.
type Event struct {
	// Filled by New before the Handler is called.
	RequestID       string // a new GUID
	CorrelationID   string // the caller's x-ms-correlation-request-id if it is sane, else RequestID
	ClientRequestID string // the caller's x-ms-client-request-id or client-request-id, if it is sane
	ClientIP        string // the peer's address, or what a trusted proxy says (Proxies)
	Proxy           string // the address of the trusted proxy that has said so; empty otherwise
	Method          string
	Path            string // escaped, without the query; the log shows its beginning
	Start           time.Time
	Local           bool // the client has named this machine as the host: localhost, 127.0.0.1

	StrictSubdomains bool // what Options says

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

	stack   []byte  // of a panic
	answers *Budget // nil where no New has begun the event
	making  bool    // the event's list is counted in answers
}

// MakeList waits until the Handler may make a page of a list. The Handler calls it before it reads the
// records of the page. The turn ends when the answer is encoded, so that clients that do not read block
// no turn. The error is that of ctx.
func (e *Event) MakeList(ctx context.Context) error {
	if e == nil || e.answers == nil || e.making {
		return nil
	}
	if err := e.answers.begin(ctx); err != nil {
		return err
	}
	e.making = true
	return nil
}

// made ends the turn of MakeList, if there is one.
func (e *Event) made() {
	if e.making {
		e.making = false
		e.answers.made()
	}
}

// StatusClientGone is the reported status of a request whose client closed the connection before the
// answer, so that it does not count as a fault of the server.
const StatusClientGone = 499

// level is the level at which an event is logged: faults of the server are errors, all others are
// information.
func (e *Event) level() slog.Level {
	switch {
	case e.Status >= 500:
		return slog.LevelError
	case e.Routine && e.Status < 400:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// LogValue groups the attributes of attrs, for callers that log an event themselves.
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
		to = append(to, slog.String("cause", clip(e.Err.Error())))
	}
	if e.stack != nil {
		to = append(to, slog.String("stack", string(e.stack)))
	}
	return to
}

// refused reports whether a request was refused for a fault of the client. Strangers can send any number of
// such requests.
func (e *Event) refused() bool { return e.Status >= 400 && e.Status < 500 }

// maxLogged is how many bytes of one field of a line are logged.
const maxLogged = 1 << 10

// clip bounds the length of a text from a client, so that log lines stay short.
func clip(field string) string {
	if len(field) > maxLogged {
		return strings.ToValidUTF8(field[:maxLogged], "") + "..."
	}
	return field
}
