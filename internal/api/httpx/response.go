package httpx

import (
	"net/http"
	"net/netip"
	"strings"

	"midas/internal/azure"
)

// response counts the bytes that a Handler writes and notes the status. Handlers reach Flush and the deadlines
// through http.ResponseController, which calls Unwrap.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64

	handler *handler
	request *http.Request
	event   *Event
}

// retryAfter tells a caller with too many unread answers to wait for five seconds.
var retryAfter = Fixed("Retry-After", "5")

// send writes a whole answer if the budget of the caller allows it. The caller is the authenticated principal,
// or else the client's address. If the budget is used up, a GET or HEAD is refused with 429. Other requests may
// have changed something, so they cannot be refused any more: send closes their connection or stream, as if
// the network had failed.
func (w *response) send(status int, body []byte) {
	w.event.endList()
	if len(body) < minCounted {
		w.write(status, body)
		return
	}
	caller := w.event.Caller
	if caller == "" {
		caller = w.event.ClientIP
	}
	size := int64(len(body))
	if !w.handler.Answers.reserve(size, caller) {
		w.refuseForBudget()
		return
	}
	defer w.handler.Answers.release(size, caller)
	w.write(status, body)
}

func (w *response) write(status int, body []byte) {
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// refuseForBudget answers a request whose answer exceeds the budget of its caller.
func (w *response) refuseForBudget() {
	if w.request.Method != http.MethodGet && w.request.Method != http.MethodHead {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	for name := range header {
		if name != "X-Ms-Request-Id" && name != "Connection" {
			delete(header, name) // they belong to the answer that is not sent
		}
	}
	retryAfter.Set(header)
	w.handler.refuse(w, w.request, w.event, http.StatusTooManyRequests)
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx precede the final status
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.event.lab != nil && w.event.lab.slow > 0 {
		return w.writeSlowly(p)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap returns the writer for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The policies of StrictTransport.
var (
	strictHost       = Fixed("Strict-Transport-Security", "max-age=31536000")
	strictSubdomains = Fixed("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
)

// StrictTransport tells browsers to use TLS for this host from now on (RFC 6797), unless the host is localhost
// or a loopback address. Browsers apply the policy to all ports of a host, so they would then no longer reach
// other services on localhost by http, such as the redirect URIs of programs under development. Subdomains of
// the host often belong to other services, so the policy includes them only if Options.StrictSubdomains is set.
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
