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

// StrictTransport tells browsers to come back over TLS only, by a policy such as max-age=31536000;
// but never under the machine's own name. Browsers keep such a policy for all ports of a host:
// everything else that a developer serves on localhost, and the addresses to which sign-in pages send
// people back, would no longer be reached by http. The policy is shared; net/http only reads it.
func StrictTransport(h http.Header, ev *Event, policy []string) {
	if !ev.Local {
		h["Strict-Transport-Security"] = policy
	}
}

// loopback reports whether a host, with or without a port, is the machine itself by its usual names.
func loopback(host string) bool {
	name := azure.Name(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if name == "" || name[0] != ':' && (name[0] < '0' || name[0] > '9') {
		return false // no address: to try would cost an error
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
