package httpx

import (
	"net/http"
	"net/netip"
	"strings"

	"midas/internal/azure"
)

// response counts what a face writes. Flush and the deadlines are reached through
// http.ResponseController, which follows Unwrap.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64

	handler *handler
	request *http.Request
	event   *Event
}

// retryAfter is how many seconds a caller should wait that has not read its answers.
var retryAfter = Fixed("Retry-After", "5")

// send writes a whole answer, within the budget of its caller: the authenticated principal, or else the
// address of the client. When there is no room, a request that only reads is refused with 429. A request
// that has changed something cannot be refused any more; its connection or stream is closed, as if the
// network had failed.
func (w *response) send(status int, body []byte) {
	w.event.made()
	if len(body) < counted {
		w.write(status, body)
		return
	}
	caller := w.event.Caller
	if caller == "" {
		caller = w.event.ClientIP
	}
	size := int64(len(body))
	if !w.handler.Answers.take(size, caller) {
		w.exceed()
		return
	}
	defer w.handler.Answers.give(size, caller)
	w.write(status, body)
}

func (w *response) write(status int, body []byte) {
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// exceed refuses a request for whose answer there is no room.
func (w *response) exceed() {
	if w.request.Method != http.MethodGet && w.request.Method != http.MethodHead {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	for name := range header {
		if name != "X-Ms-Request-Id" && name != "Connection" {
			delete(header, name) // of the answer that is not sent
		}
	}
	retryAfter.Set(header)
	w.handler.refuse(w, w.request, w.event, http.StatusTooManyRequests)
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx come before the real one
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The policies of StrictTransport.
var (
	strictHost       = Fixed("Strict-Transport-Security", "max-age=31536000")
	strictSubdomains = Fixed("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
)

// StrictTransport tells browsers to use TLS for this host from now on (RFC 6797), except for the machine
// itself. Browsers apply the policy to all ports of a host: with it, they would not reach other services on
// localhost by http, among them the redirect URIs of programs under development. Names below the host often
// belong to other services, so the policy includes them only if Options.StrictSubdomains is set.
func StrictTransport(h http.Header, ev *Event) {
	switch {
	case ev.Local:
	case ev.StrictSubdomains:
		strictSubdomains.Set(h)
	default:
		strictHost.Set(h)
	}
}

// loopback reports whether a host, with or without a port, is localhost or a loopback address.
func loopback(host string) bool {
	name := azure.Name(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if name == "" || name[0] != ':' && (name[0] < '0' || name[0] > '9') {
		return false // not an address; parsing it would allocate an error
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
