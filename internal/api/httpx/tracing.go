package httpx

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"midas/internal/trace"
)

// Tracing makes a span of each request.
type Tracing struct {
	Tracer *trace.Tracer // required

	// Senders are the addresses of programs whose traces are continued: of gateways that remove the header
	// traceparent of strangers. The address is that of the connection, whatever X-Forwarded-For says.
	Senders Proxies
	// Hosts continues the traces of enrolled hosts, whose certificate the TLS handshake has verified.
	Hosts bool
}

// ParseSenders reads the programs whose traces are continued: addresses, networks in CIDR notation, and the word
// "hosts".
func ParseSenders(trusted []string) (senders Proxies, hosts bool, err error) {
	var addresses []string
	for _, t := range trusted {
		if t == "hosts" {
			hosts = true
			continue
		}
		addresses = append(addresses, t)
	}
	senders, err = ParseProxies(addresses)
	return senders, hosts, err
}

// begin returns the request with its span.
func (t *Tracing) begin(r *http.Request, ev *Event) (*http.Request, *trace.Span) {
	ctx, span := t.Tracer.Serve(r.Context(), trace.TraceIDOf(ev.RequestID), r.Header, t.trusts(r))
	return r.WithContext(ctx), span
}

// trusts reports whether the trace of the sender is continued.
func (t *Tracing) trusts(r *http.Request) bool {
	if t.Hosts && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && len(t.Senders) > 0 && t.Senders.Trusts(peer.Addr())
}

// endSpan ends the span of a request. Its name and its attributes are those of the log line, without texts of errors.
// Probes and scrapes of the ops API have no span, because they would be most of the traces.
func endSpan(s *trace.Span, r *http.Request, ev *Event) {
	if !s.Sampled() || ev.API == "ops" {
		return
	}
	method, scheme := methodOf(ev.Method), "http"
	if r.TLS != nil {
		scheme = "https"
	}
	verb := method
	if method == otherMethod {
		verb = "HTTP" // as the semantic conventions name such spans
	}
	s.Name(verb + " " + strings.TrimSuffix(ev.API+"/"+strings.TrimPrefix(ev.Operation, "/"), "/"))
	s.Set(
		trace.String("http.request.method", method), trace.Int("http.response.status_code", ev.Status),
		trace.String("url.scheme", scheme), trace.String("url.path", ev.Path), trace.String("client.address", ev.ClientIP),
		trace.String("midas.api", ev.API), trace.String("midas.operation", ev.Operation),
		trace.String("midas.request_id", ev.RequestID), trace.String("midas.correlation_id", ev.CorrelationID),
	)
	if ev.Caller != "" {
		s.Set(trace.String("midas.caller", ev.Caller))
	}
	if ev.ErrorCode != "" {
		s.Set(trace.String("midas.error_code", ev.ErrorCode))
	}
	if ev.Status >= http.StatusInternalServerError {
		s.Fail(strconv.Itoa(ev.Status)) // as the semantic conventions require
	}
	s.End()
}

// otherMethod stands for all methods that HTTP does not define.
const otherMethod = "_OTHER"

// methodOf returns the method if it is one that HTTP defines, as the semantic conventions require.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return method
	}
	return otherMethod
}
