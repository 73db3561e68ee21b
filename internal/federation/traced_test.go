package federation_test

import (
	"log/slog"
	"net/http"
	"testing"

	"midas/internal/federation"
	"midas/internal/trace"
	"midas/internal/trace/tracetest"
)

// An issuer learns nothing of traces, although its fetch is one: a header with the same id in two requests would tell
// it that they belong together.
func TestIssuersLearnNothingOfTraces(t *testing.T) {
	collector, issuer := tracetest.New(t), newTestIssuer(t)
	tracer, err := trace.New(trace.Config{Endpoint: collector.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inner, checked := issuer.Config.Handler, 0
	issuer.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		checked++
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s", name, r.Header.Get(name))
			}
		}
		inner.ServeHTTP(w, r)
	})
	issuers, err := federation.NewIssuers(federation.IssuersConfig{
		Settings: []federation.IssuerSettings{issuer.Settings()}, Now: (&testClock{}).Now, Tracer: tracer,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, request := tracer.Serve(t.Context(), trace.TraceID{1}, nil, false)
	if err := issuers.Verify(ctx, assertion(t, issuer.URL, "k1", 0)); err != nil {
		t.Fatal(err)
	}
	request.End()
	_ = tracer.Close()
	fetch := collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "federation.fetch" })
	verify := collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "federation.verify" })
	if checked != 2 || fetch.Parent != "" || fetch.Trace == verify.Trace || fetch.Attrs["midas.issuer"] != issuer.URL {
		t.Errorf("%d requests, %+v", checked, fetch)
	}
}
