package httpx_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
	"midas/internal/trace"
	"midas/internal/trace/tracetest"
)

func tracing(t testing.TB, ratio float64, trust ...string) (*tracetest.Receiver, *httpx.Tracing) {
	t.Helper()
	collector := tracetest.New(t)
	tracer, err := trace.New(trace.Config{Endpoint: collector.URL, Ratio: &ratio}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracer.Close() })
	traced := &httpx.Tracing{Tracer: tracer}
	if traced.Senders, traced.Hosts, err = httpx.ParseSenders(trust); err != nil {
		t.Fatal(err)
	}
	return collector, traced
}

func traced(t testing.TB, tracing *httpx.Tracing, log io.Writer, serve httpx.HandlerFunc) http.Handler {
	t.Helper()
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	if tracing != nil {
		logger = trace.Logger(logger)
	}
	return httpx.New(serve, httpx.Options{Log: logger, Metrics: metrics, Now: time.Now, NewID: uuid.NewString, Tracing: tracing})
}

// The span of a request has what its log line has, without the query and without texts of errors, and its trace id is
// the request id of the answer.
func TestRequestsAreSpans(t *testing.T) {
	collector, tracing := tracing(t, 1)
	var lines strings.Builder
	h := traced(t, tracing, &lines, func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		ev.API, ev.Operation, ev.Caller, ev.ErrorCode = "login", "token", "1234", "InternalServerError"
		ev.Err = io.ErrUnexpectedEOF
		_, s := trace.Start(r.Context(), "token.sign")
		s.End()
		w.WriteHeader(500)
	})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("BREW", "https://localhost/tenant/oauth2/v2.0/token?code=secret", strings.NewReader("client_secret=secret"))
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Cookie", "a=secret")
	h.ServeHTTP(w, r)
	_ = tracing.Tracer.Close()
	s := collector.Wait(t, func(s tracetest.Span) bool { return s.Kind == "SPAN_KIND_SERVER" })
	if id := strings.ReplaceAll(w.Header().Get("X-Ms-Request-Id"), "-", ""); s.Trace != id || !strings.Contains(lines.String(), "trace_id="+id) {
		t.Errorf("%s, %+v\n%s", id, s, &lines)
	}
	if s.Name != "HTTP login/token" || s.Attrs["http.request.method"] != "_OTHER" || s.Attrs["error.type"] != "500" || !s.Failed || s.Attrs["url.path"] != "/tenant/oauth2/v2.0/token" || s.Attrs["http.response.status_code"] != int64(500) || s.Attrs["midas.caller"] != "1234" {
		t.Errorf("%+v", s)
	}
	if bodies := collector.Bodies(); strings.Contains(bodies, "secret") || strings.Contains(bodies, io.ErrUnexpectedEOF.Error()) {
		t.Errorf("%q", bodies)
	}
	collector.Wait(t, func(child tracetest.Span) bool { return child.Name == "token.sign" && child.Parent == s.ID })
}

func TestOnlyTrustedSendersContinueTheirTraces(t *testing.T) {
	verified := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	for name, tt := range map[string]struct {
		trust    []string
		peer     string
		tls      *tls.ConnectionState
		forwards string
		want     bool
	}{
		"nobody is trusted by default":                  {nil, "127.0.0.1:9", verified, "", false},
		"a host":                                        {[]string{"hosts"}, "192.0.2.1:9", verified, "", true},
		"a client without a certificate":                {[]string{"hosts"}, "192.0.2.1:9", &tls.ConnectionState{}, "", false},
		"a certificate that was not verified":           {[]string{"hosts"}, "192.0.2.1:9", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}, "", false},
		"a gateway":                                     {[]string{"192.0.2.0/24"}, "192.0.2.1:9", nil, "", true},
		"a stranger who names a gateway":                {[]string{"192.0.2.0/24"}, "198.51.100.1:9", nil, "192.0.2.1", false},
		"a host, if only the addresses of gateways are": {[]string{"192.0.2.0/24"}, "198.51.100.1:9", verified, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, tracing := tracing(t, 0, tt.trust...)
			var got bool
			h := traced(t, tracing, io.Discard, func(_ http.ResponseWriter, r *http.Request, _ *httpx.Event) {
				id, _, _ := trace.IDs(r.Context())
				got = id.String() == strings.Repeat("1", 32)
			})
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.TLS = tt.peer, tt.tls
			r.Header.Set("traceparent", "00-"+strings.Repeat("1", 32)+"-"+strings.Repeat("2", 16)+"-01")
			if tt.forwards != "" {
				r.Header.Set("X-Forwarded-For", tt.forwards)
			}
			if h.ServeHTTP(httptest.NewRecorder(), r); got != tt.want {
				t.Errorf("continued: %v", got)
			}
		})
	}
	for _, wrong := range []string{"host", "0.0.0.0/0", "", "example.com"} {
		if _, _, err := httpx.ParseSenders([]string{wrong}); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestProbesAreNotTraced(t *testing.T) {
	collector, tracing := tracing(t, 1)
	h := traced(t, tracing, io.Discard, func(_ http.ResponseWriter, r *http.Request, ev *httpx.Event) { ev.API, ev.Operation = "ops", "readyz" })
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/readyz", nil))
	_ = tracing.Tracer.Close()
	if got := collector.Spans(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkTracing(b *testing.B) {
	for _, bb := range []struct {
		name  string
		ratio float64
	}{{"off", -1}, {"on, not recorded", 0}, {"on, recorded", 1}} {
		b.Run(bb.name, func(b *testing.B) {
			var options *httpx.Tracing
			if bb.ratio >= 0 {
				_, options = tracing(b, bb.ratio)
			}
			h := traced(b, options, io.Discard, func(_ http.ResponseWriter, r *http.Request, ev *httpx.Event) {
				ev.API, ev.Operation, ev.Routine = "login", "token", true
				_, s := trace.Start(r.Context(), "token.sign")
				s.End()
			})
			r := httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
