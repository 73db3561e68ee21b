package httpx

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// response counts what a face writes. Flush and the deadlines are reached through
// http.ResponseController, which follows Unwrap.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
	local  bool // the client has named this machine as the host
}

// loopback reports whether a host, with or without a port, is the machine itself by its usual names.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name := strings.ToLower(strings.Trim(host, "[]."))
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx come before the real one
		w.status = status
	}
	w.settle()
	w.ResponseWriter.WriteHeader(status)
}

// settle takes back what a face must not say under the machine's own name. Browsers keep a strict
// transport policy for all ports of a host: everything else that a developer serves on localhost,
// and the addresses to which sign-in pages send people back, would no longer be reached by http.
func (w *response) settle() {
	if w.local {
		w.Header().Del("Strict-Transport-Security")
	}
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
		w.settle()
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
