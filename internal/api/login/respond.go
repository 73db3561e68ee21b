package login

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"midas/internal/api/httpx"
)

// always are the headers of every answer. Entra's headers that concern only Microsoft's servers (reporting
// policy, server names) are omitted; X-Ms-Ests-Server names this server.
var always = httpx.Fixed(
	"X-Content-Type-Options", "nosniff",
	"X-Xss-Protection", "0",
	"P3p", `CP="DSP CUR OTPi IND OTRi ONL FIN"`,
	"X-Ms-Ests-Server", "Midas",
)

// readable are the headers of public answers, which any web page may read and cache for a day.
var readable = httpx.Fixed(
	"Access-Control-Allow-Methods", "GET, OPTIONS",
	"Access-Control-Allow-Origin", "*",
	"Cache-Control", "max-age=86400, private",
)

// exposedHeaders are the headers of answers that libraries read in pages: how long to wait, what is wrong with a
// token, and the ids for the log.
const exposedHeaders = "Client-Request-Id, Date, Retry-After, WWW-Authenticate, x-ms-clitelem, x-ms-request-id"

// crossOrigin are the headers of answers that pages of other sites may read, and crossOriginReads those of
// endpoints that they may also read with GET. That is safe because the endpoints take no cookies. Authorization
// is named, because * does not stand for it.
var (
	crossOrigin = httpx.Fixed(
		"Access-Control-Allow-Headers", "Authorization, *",
		"Access-Control-Allow-Methods", "POST, OPTIONS",
		"Access-Control-Allow-Origin", "*",
		"Access-Control-Expose-Headers", exposedHeaders,
	)
	crossOriginReads = httpx.Fixed(
		"Access-Control-Allow-Headers", "Authorization, *",
		"Access-Control-Allow-Methods", "GET, POST, OPTIONS",
		"Access-Control-Allow-Origin", "*",
		"Access-Control-Expose-Headers", exposedHeaders,
	)
)

// preflightReads are the headers of a preflight request for a public answer, beside those of readable. Pages ask
// with If-None-Match, or with headers of their library.
var preflightReads = httpx.Fixed("Access-Control-Allow-Headers", "*")

// anyOrigin is the header of an error that pages of other sites may read.
var anyOrigin = httpx.Fixed("Access-Control-Allow-Origin", "*")

// private are the headers of answers that no cache may store.
var private = httpx.Fixed(
	"Cache-Control", "no-store, no-cache",
	"Expires", "-1",
	"Pragma", "no-cache",
)

// noError is the telemetry header of an answer without an error.
var noError = httpx.Fixed("X-Ms-Clitelem", "1,0,0,,")

// correlate sets the correlation id: the client's, from the header or, as MSAL for JavaScript sends it,
// from the query, or else a new one.
func (x *request) correlate(newID func() string) {
	id := x.r.Header.Get("Client-Request-Id")
	if id == "" && x.r.URL.RawQuery != "" {
		id = x.r.URL.Query().Get("client-request-id")
	}
	if !sane(id) {
		x.correlation = newID()
	} else {
		x.correlation = id
		x.w.Header().Set("Client-Request-Id", id)
	}
	x.ev.CorrelationID = x.correlation
}

// sane reports whether a correlation id has up to 64 letters, digits and hyphens. Some clients send ids
// that are not GUIDs.
func sane(id string) bool {
	for _, c := range []byte(id) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// errorBody is the wire form of an Error.
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri"`
	Suberror      string `json:"suberror,omitempty"`
}

// fail answers with an error. The error_uri leads to Microsoft's page, which explains the numbers.
func (h *Handler) fail(x *request, err error) {
	x.ev.Err = err
	var e *Error
	if !errors.As(err, &e) {
		e = errInternal(err)
	}
	if e.cause != nil {
		x.ev.Err = fmt.Errorf("%w (%w)", err, e.cause)
	}
	x.ev.ErrorCode = "AADSTS" + strconv.Itoa(e.Number)
	head := x.w.Header()
	private.Set(head)
	head.Del("Access-Control-Allow-Methods")
	if e.RetryAfter > 0 {
		head.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if x.html {
		h.failPage(x, e)
		return
	}
	head.Set("X-Ms-Clitelem", fmt.Sprintf("1,%d,0,,", e.Number))
	if e.Challenge {
		head.Set("Www-Authenticate", `Basic realm="`+x.origin+`"`)
	}
	now := h.config.Now()
	if werr := httpx.WriteJSON(x.w, e.Status, errorBody{
		Error:         e.Code,
		Description:   x.describe(e, now),
		Codes:         []int{e.Number},
		Timestamp:     stamp(now),
		TraceID:       x.ev.RequestID,
		CorrelationID: x.correlation,
		URI:           fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.Number),
		Suberror:      e.Suberror,
	}); werr != nil {
		x.ev.Err = errors.Join(x.ev.Err, werr)
	}
}

// describe returns the text of an error with the ids and the time by which an operator finds the request.
func (x *request) describe(e *Error, now time.Time) string {
	return fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", e.Error(), x.ev.RequestID, x.correlation, stamp(now))
}

func stamp(now time.Time) string { return now.UTC().Format("2006-01-02 15:04:05Z") }
