package trace_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/trace"
	"midas/internal/trace/tracetest"
)

func open(t *testing.T, cfg trace.Config) *trace.Tracer {
	t.Helper()
	tracer, err := trace.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracer.Close() })
	return tracer
}

var request = trace.TraceIDOf("0af76519-16cd-43dd-8448-eb211c80319c")

// dropped returns the counters of lost spans by reason, and that of exported ones as "exported".
func dropped(t *testing.T, tracer *trace.Tracer) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	for _, c := range tracer.Collectors() {
		registry.MustRegister(c)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := "exported"
			if len(m.Label) > 0 {
				name = m.Label[0].GetValue()
			}
			counts[name] = m.Counter.GetValue()
		}
	}
	return counts
}

func TestSpansReachTheCollector(t *testing.T) {
	collector := tracetest.New(t)
	tracer := open(t, trace.Config{Endpoint: collector.URL, Service: "midas", Version: "v1", Instance: "a", Resource: []trace.Field{{"k8s.pod.name", "midas-0"}}})
	ctx, root := tracer.Serve(context.Background(), request, nil, false)
	below, step := trace.Start(ctx, "store.update")
	_, deepest := trace.StartClient(below, "store.fresh")
	deepest.Fail("unavailable")
	deepest.End()
	step.Set(trace.Int("midas.store.attempts", 2), trace.String("long", strings.Repeat("x", 1000)), trace.String("invalid", "\xff"))
	step.End()
	root.Name("GET management/read")
	root.End()
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	spans := map[string]tracetest.Span{}
	for _, s := range collector.Spans() {
		spans[s.Name] = s
	}
	r, s, d := spans["GET management/read"], spans["store.update"], spans["store.fresh"]
	if r.Trace != request.String() || r.Parent != "" || r.Kind != "SPAN_KIND_SERVER" || s.Parent != r.ID || d.Parent != s.ID || d.Trace != r.Trace || d.Kind != "SPAN_KIND_CLIENT" {
		t.Errorf("%+v", spans)
	}
	if s.Attrs["midas.store.attempts"] != int64(2) || len(s.Attrs["long"].(string)) != 512 || s.Attrs["invalid"] != "\uFFFD" || s.Failed || s.Took < 0 {
		t.Errorf("%+v", s)
	}
	if !d.Failed || d.Attrs["error.type"] != "unavailable" || r.Resource["service.name"] != "midas" || r.Resource["k8s.pod.name"] != "midas-0" {
		t.Errorf("%+v", d)
	}
	if got := dropped(t, tracer); got["exported"] != 3 || got["queue"]+got["export"]+got["rejected"]+got["limit"] != 0 {
		t.Errorf("%v", got)
	}
}

// A header of a stranger decides nothing: neither whether a trace is recorded nor its id.
func TestStrangersTraceIsNotContinued(t *testing.T) {
	const sampled, not = "00-11111111111111111111111111111111-2222222222222222-01", "00-11111111111111111111111111111111-2222222222222222-00"
	collector := tracetest.New(t)
	none, all := 0.0, 1.0
	never, always := open(t, trace.Config{Endpoint: collector.URL, Ratio: &none}), open(t, trace.Config{Endpoint: collector.URL, Ratio: &all})
	for name, tt := range map[string]struct {
		tracer              *trace.Tracer
		header              string
		trusted, want, same bool
	}{
		"a stranger forces nothing":        {never, sampled, false, false, false},
		"a stranger prevents nothing":      {always, not, false, true, false},
		"a stranger becomes a link":        {always, sampled, false, true, false},
		"a trusted sender is recorded":     {never, sampled, true, true, true},
		"a trusted sender is not recorded": {always, not, true, false, true},
		"an invalid header is ignored":     {always, "00-zz", true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := tt.tracer.Serve(context.Background(), request, http.Header{"Traceparent": {tt.header}}, tt.trusted)
			s.Name(name)
			s.End()
			id, _, ok := trace.IDs(ctx)
			if s.Sampled() != tt.want || !ok || (id.String() == strings.Repeat("1", 32)) != tt.same {
				t.Errorf("sampled %v, %v", s.Sampled(), id)
			}
			if !tt.want {
				if below, child := trace.Start(ctx, "x"); child != nil || below != ctx {
					t.Error("a step of a trace that is not recorded is recorded")
				}
			}
		})
	}
	_ = always.Close()
	link := collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "a stranger becomes a link" })
	if link.Link != strings.Repeat("1", 32) || link.Parent != "" || link.Trace != request.String() {
		t.Errorf("%+v", link)
	}
}

func TestParentsAreParsedAsW3CSays(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for text, want := range map[string]bool{
		good: true, good[:len(good)-2] + "00": true, good[:len(good)-2] + "ff": true,
		"cc" + good[2:] + "-more": true, "cc" + good[2:]: true,
		good + "-more": false, "ff" + good[2:]: false, good[:len(good)-1]: false, "": false, "cc" + good[2:] + "more": false,
		strings.ToUpper(good): false, strings.Replace(good, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1): false,
		strings.Replace(good, "b7ad6b7169203331", strings.Repeat("0", 16), 1): false, strings.Replace(good, "b7", "g7", 1): false,
		strings.Replace(good, "-b7", "_b7", 1): false, "cc" + good[2:] + "-" + strings.Repeat("x", 1<<10): false,
	} {
		if _, ok := trace.ParseParent([]string{text}); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
	if _, ok := trace.ParseParent([]string{good, good}); ok {
		t.Error("two headers are accepted")
	}
}

func FuzzParseParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := trace.ParseParent([]string{text})
		if !ok {
			return
		}
		if again, ok := trace.ParseParent([]string{p.String()}); !ok || again != p {
			t.Errorf("%q is %v, then %v", text, p, again)
		}
	})
}

// Programs with the same ratio record the same traces.
func TestRatioIsTheSameForAllPrograms(t *testing.T) {
	collector := tracetest.New(t)
	tenth, half := 0.1, 0.5
	a, b, c := open(t, trace.Config{Endpoint: collector.URL, Ratio: &tenth}), open(t, trace.Config{Endpoint: collector.URL, Ratio: &tenth}), open(t, trace.Config{Endpoint: collector.URL, Ratio: &half})
	recorded := 0
	for i := range 4000 {
		id := trace.TraceID{8: 0x80, 9: byte(i), 10: byte(i >> 4), 15: byte(i)} // the variant of a GUID in byte 8
		_, first := a.Serve(context.Background(), id, nil, false)
		_, second := b.Serve(context.Background(), id, nil, false)
		_, third := c.Serve(context.Background(), id, nil, false)
		if first.Sampled() != second.Sampled() || first.Sampled() && !third.Sampled() {
			t.Fatalf("%v: %v, %v, %v", id, first.Sampled(), second.Sampled(), third.Sampled())
		}
		if first.Sampled() {
			recorded++
		}
	}
	if recorded < 300 || recorded > 500 {
		t.Errorf("%d of 4000 traces are recorded, of a ratio of 0.1", recorded)
	}
}

// A collector that does not answer holds up nothing: spans beyond the queue are dropped and counted, and Close gives up.
func TestCollectorThatHangsCostsOnlySpans(t *testing.T) {
	hanging := make(chan struct{})
	collector := tracetest.New(t)
	collector.Answer(func(http.ResponseWriter) bool { <-hanging; return true })
	t.Cleanup(func() { close(hanging) }) // before the collector ends
	tracer := open(t, trace.Config{Endpoint: collector.URL})
	const spans = 10_000
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range spans / 4 {
				_, s := tracer.Serve(context.Background(), request, nil, false)
				s.End()
			}
		})
	}
	all.Wait()
	if got := dropped(t, tracer); got["queue"] < spans-2048-2*512 || got["queue"] >= spans {
		t.Errorf("%v", got)
	}
	_ = tracer.Close()
	if got := dropped(t, tracer); got["exported"] != 0 || got["queue"]+got["export"] != spans {
		t.Errorf("after Close: %v", got)
	}
	_, late := tracer.Serve(context.Background(), request, nil, false)
	late.End()
	if got := dropped(t, tracer); got["queue"]+got["export"] != spans+1 {
		t.Errorf("after a late span: %v", got)
	}
}

func TestCollectorThatIsAwayCostsOnlySpans(t *testing.T) {
	var lines bytes.Buffer
	tracer, err := trace.New(trace.Config{Endpoint: "http://127.0.0.1:1"}, slog.New(slog.NewTextHandler(&lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		_, s := tracer.Serve(context.Background(), request, nil, false)
		s.End()
	}
	_ = tracer.Close()
	if got := dropped(t, tracer); got["export"] != 1000 || strings.Count(lines.String(), "\n") != 1 || !strings.Contains(lines.String(), "spans are lost") {
		t.Errorf("%v\n%s", got, &lines)
	}
}

func TestBusyCollectorIsAskedAgain(t *testing.T) {
	collector := tracetest.New(t)
	asked := 0
	collector.Answer(func(w http.ResponseWriter) bool {
		if asked++; asked == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		_, _ = w.Write([]byte{0x0a, 0x02, 0x08, 0x01}) // partial_success: {rejected_spans: 1}
		return false
	})
	tracer := open(t, trace.Config{Endpoint: collector.URL})
	for range 512 { // a whole batch
		_, s := tracer.Serve(context.Background(), request, nil, false)
		s.Name("busy")
		s.End()
	}
	collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "busy" })
	_ = tracer.Close()
	if got := dropped(t, tracer); got["exported"] != 511 || got["rejected"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestRefusingCollectorIsNotAskedAgain(t *testing.T) {
	collector := tracetest.New(t)
	asked := 0
	collector.Answer(func(w http.ResponseWriter) bool {
		asked++
		http.Redirect(w, &http.Request{Method: "POST"}, collector.URL+"/stolen", http.StatusTemporaryRedirect)
		return true
	})
	tracer := open(t, trace.Config{Endpoint: collector.URL, Headers: []trace.Field{{"Authorization", "secret"}}})
	_, s := tracer.Serve(context.Background(), request, nil, false)
	s.End()
	_ = tracer.Close()
	if got := dropped(t, tracer); asked != 1 || got["export"] != 1 {
		t.Errorf("%d requests, %v", asked, got)
	}
}

func TestHeadersFileIsReadForEachRequest(t *testing.T) {
	collector := tracetest.New(t)
	file := filepath.Join(t.TempDir(), "headers")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# of the collector\nAuthorization: Bearer one\n\nX-Scope: a: b\n")
	tracer := open(t, trace.Config{Endpoint: collector.URL, HeadersFile: file})
	send := func(name string) {
		for range 512 {
			_, s := tracer.Serve(context.Background(), request, nil, false)
			s.Name(name)
			s.End()
		}
		collector.Wait(t, func(s tracetest.Span) bool { return s.Name == name })
	}
	send("first")
	write("Authorization: Bearer two")
	send("second")
	if h := collector.Headers(); h[0].Get("Authorization") != "Bearer one" || h[0].Get("X-Scope") != "a: b" || h[len(h)-1].Get("Authorization") != "Bearer two" {
		t.Errorf("%v", h)
	}
	write("secret without a colon")
	if _, err := trace.New(trace.Config{Endpoint: collector.URL, HeadersFile: file}, slog.Default()); err == nil || !strings.Contains(err.Error(), "line 1") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	two, nan := 2.0, 0.0
	nan /= nan
	folder := t.TempDir()
	for want, cfg := range map[string]trace.Config{
		"endpoint: it is not a URL":       {Endpoint: "collector:4318"},
		"endpoint: it is not":             {Endpoint: "grpc://collector:4317"},
		"neither credentials nor a query": {Endpoint: "https://a:b@collector"},
		"credentials nor a query":         {Endpoint: "https://collector?key=1"},
		"ratio: 2":                        {Endpoint: "https://collector", Ratio: &two},
		"ratio: NaN":                      {Endpoint: "https://collector", Ratio: &nan},
		"unencrypted":                     {Endpoint: "http://collector", HeadersFile: "x"},
		"endpoint: it is missing":         {CA: "ca.pem"},
		"ca: open":                        {Endpoint: "https://collector", CA: filepath.Join(folder, "missing")},
		"ca: ":                            {Endpoint: "https://collector", CA: folder},
		"headers: open":                   {Endpoint: "https://collector", HeadersFile: filepath.Join(folder, "missing")},
	} {
		err := cfg.Check()
		if err == nil {
			_, err = trace.New(cfg, slog.Default())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a:b@") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEnvironmentOfOpenTelemetry(t *testing.T) {
	const base = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318/"
	for _, tt := range []struct{ variables, want string }{
		{"", " [] [] 1"},
		{base, "http://127.0.0.1:4318/v1/traces [] [] 1"},
		{base + ";OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://c/x", "https://c/x [] [] 1"},
		{base + ";OTEL_SDK_DISABLED=True", " [] [] 1"},
		{base + ";OTEL_TRACES_EXPORTER=none", " [] [] 1"},
		{base + ";OTEL_EXPORTER_OTLP_HEADERS=a=b%20c, d = e", "http://127.0.0.1:4318/v1/traces [{a b c} {d e}] [] 1"},
		{base + ";OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=p", "http://127.0.0.1:4318/v1/traces [] [{k8s.pod.name p}] 1"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318", "http://127.0.0.1:4318 [] [] 1"},
		{base + ";OTEL_TRACES_EXPORTER=None", " [] [] 1"},
		{base + ";OTEL_RESOURCE_ATTRIBUTES=app/part=a%20b,x={}", "http://127.0.0.1:4318/v1/traces [] [{app/part a b} {x {}}] 1"},
		{base + ";OTEL_RESOURCE_ATTRIBUTES=a=%FF", "OTEL_RESOURCE_ATTRIBUTES: entry 1"},
		{base + ";OTEL_TRACES_SAMPLER=parentbased_traceidratio;OTEL_TRACES_SAMPLER_ARG=0.25", "http://127.0.0.1:4318/v1/traces [] [] 0.25"},
		{base + ";OTEL_TRACES_SAMPLER=always_off", "http://127.0.0.1:4318/v1/traces [] [] 0"},
		{base + ";OTEL_TRACES_SAMPLER=xray", "OTEL_TRACES_SAMPLER: "},
		{base + ";OTEL_TRACES_SAMPLER=traceidratio;OTEL_TRACES_SAMPLER_ARG=9", "OTEL_TRACES_SAMPLER_ARG: "},
		{base + ";OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: "},
		{base + ";OTEL_EXPORTER_OTLP_HEADERS=secret", "OTEL_EXPORTER_OTLP_HEADERS: entry 1"},
	} {
		c, err := trace.FromEnvironment(func(name string) string {
			for _, v := range strings.Split(tt.variables, ";") {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value
				}
			}
			return ""
		})
		ratio := 1.0
		if c.Ratio != nil {
			ratio = *c.Ratio
		}
		got := fmt.Sprintf("%s %v %v %v", c.Endpoint, c.Headers, c.Resource, ratio)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s, want %s", tt.variables, got, tt.want)
		}
	}
}

// Work that a request begins without an end makes no trace without an end.
func TestSpansOfOneRequestAreBounded(t *testing.T) {
	collector := tracetest.New(t)
	tracer := open(t, trace.Config{Endpoint: collector.URL})
	ctx, root := tracer.Serve(context.Background(), request, nil, false)
	for range 1000 {
		_, s := trace.Start(ctx, "step")
		s.End()
	}
	for i := range 100 {
		root.Set(trace.Int("number", i))
	}
	root.End()
	_ = tracer.Close()
	if got := dropped(t, tracer); got["exported"] != 257 || got["limit"] != 744 {
		t.Errorf("%v", got)
	}
	for _, s := range collector.Spans() {
		if len(s.Attrs) > 24 {
			t.Errorf("%d attributes", len(s.Attrs))
		}
	}
}

func TestPassesOfJobsAreTraces(t *testing.T) {
	collector := tracetest.New(t)
	tracer := open(t, trace.Config{Endpoint: collector.URL})
	job := tracer.Job(context.Background(), "job grants")
	for range 2 {
		pass, s := trace.Pass(job)
		_, step := trace.Start(pass, "store.update")
		step.End()
		s.End()
	}
	_, alone := trace.Start(job, "store.view")
	alone.End()
	_ = tracer.Close()
	traces, names := map[string]bool{}, map[string]int{}
	for _, s := range collector.Spans() {
		traces[s.Trace] = true
		names[fmt.Sprint(s.Name, s.Parent == "", s.Attrs["midas.job"])]++
	}
	if len(traces) != 3 || names["job grantstruejob grants"] != 2 || names["store.updatefalse <nil>"] != 2 || names["store.viewtruejob grants"] != 1 {
		t.Errorf("%v", names)
	}
	if ctx, s := trace.Pass(context.Background()); s != nil || ctx != context.Background() {
		t.Error("a pass outside of a job is recorded")
	}
}

func TestRequestsToTheServerCarryTheTrace(t *testing.T) {
	collector := tracetest.New(t)
	none := 0.0
	for _, tt := range []struct {
		tracer *trace.Tracer
		flags  string
	}{{open(t, trace.Config{Endpoint: collector.URL}), "-01"}, {open(t, trace.Config{Endpoint: collector.URL, Ratio: &none}), "-00"}} {
		ctx, _ := tt.tracer.Serve(context.Background(), request, nil, false)
		req, err := http.NewRequestWithContext(ctx, "POST", "https://midas.example/hosts/v1/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		sent, s := trace.Request(req, "/hosts/v1/token")
		s.End()
		if h := sent.Header.Get("traceparent"); !strings.HasPrefix(h, "00-"+request.String()+"-") || !strings.HasSuffix(h, tt.flags) {
			t.Errorf("%q", h)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://midas.example/", nil)
	if sent, s := trace.Request(req, "/"); s != nil || sent != req || len(req.Header) != 0 {
		t.Errorf("%v", req.Header)
	}
}

func TestLogLinesNameTheTrace(t *testing.T) {
	collector := tracetest.New(t)
	tracer := open(t, trace.Config{Endpoint: collector.URL})
	var lines bytes.Buffer
	log := trace.Logger(slog.New(slog.NewTextHandler(&lines, nil))).With("a", "b")
	ctx, s := tracer.Serve(context.Background(), request, nil, false)
	log.InfoContext(ctx, "one")
	s.End()
	_, id, _ := trace.IDs(ctx)
	if !strings.Contains(lines.String(), "a=b trace_id="+request.String()+" span_id="+id.String()) {
		t.Error(lines.String())
	}
	lines.Reset()
	log.InfoContext(tracer.Job(t.Context(), "x"), "two")
	log.Info("three")
	if strings.Contains(lines.String(), "trace_id") {
		t.Error(lines.String())
	}
}

// Without traces, the functions that the hot paths call allocate nothing.
func TestTracesCostNothingWhenTheyAreOff(t *testing.T) {
	ctx := t.Context()
	var off *trace.Tracer
	req, err := http.NewRequestWithContext(ctx, "POST", "https://midas.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		below, s := trace.Start(off.Job(ctx, "x"), "y")
		s.Set(trace.String("a", "b"), trace.Int("c", 1))
		s.Fail("z")
		s.End()
		below, s = trace.Pass(below)
		s.End()
		_, s = trace.Request(req, "/")
		s.End()
		if below != ctx {
			t.Error("another context")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := dropped(t, off); len(got) != 5 || got["queue"] != 0 {
		t.Errorf("%v", got)
	}
}

func BenchmarkStart(b *testing.B) {
	b.Run("off", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, s := trace.Start(b.Context(), "x")
			s.End()
		}
	})
}

// A collector refuses or mixes up a resource with one attribute twice. The variable OTEL_SERVICE_NAME, which is Service,
// counts more than service.name among the attributes, and that more than the default.
func TestAttributesOfTheProcessAreUnique(t *testing.T) {
	for _, tt := range []struct{ service, want string }{{"", "second"}, {"own", "own"}} {
		collector := tracetest.New(t)
		tracer := open(t, trace.Config{Endpoint: collector.URL, Service: tt.service, Resource: []trace.Field{{"service.name", "first"}, {"service.name", "second"}, {"a", "b"}}})
		_, s := tracer.Serve(context.Background(), request, nil, false)
		s.End()
		_ = tracer.Close()
		got := collector.Wait(t, func(tracetest.Span) bool { return true })
		if got.Resource["service.name"] != tt.want || got.Resource["a"] != "b" || strings.Count(collector.Bodies(), "service.name") != 1 {
			t.Errorf("%v", got.Resource)
		}
	}
}

// With OTEL_EXPORTER_OTLP_TRACES_ENDPOINT the collector's URL is used as it is.
func TestEndpointOfTracesIsUsedAsItIs(t *testing.T) {
	paths := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
	t.Cleanup(s.Close)
	c, err := trace.FromEnvironment(func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": s.URL}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer := open(t, c)
	_, span := tracer.Serve(context.Background(), request, nil, false)
	span.End()
	_ = tracer.Close()
	if got := <-paths; got != "/" {
		t.Errorf("%q", got)
	}
}

// The header tracestate of a trusted sender is in the spans and goes on to the server; that of a stranger is not.
func TestStateOfTheTraceIsPassedOn(t *testing.T) {
	const parent = "00-11111111111111111111111111111111-2222222222222222-01"
	for name, tt := range map[string]struct {
		values  []string
		trusted bool
		want    string
	}{
		"a trusted sender": {[]string{"vendor=1,other@x=a b"}, true, "vendor=1,other@x=a b"},
		"several headers":  {[]string{"a=1", "b=2"}, true, "a=1, b=2"},
		"a stranger":       {[]string{"a=1"}, false, ""},
		"none":             {nil, true, ""},
		"a giant":          {[]string{"a=" + strings.Repeat("x", 511)}, true, ""},
		"many headers":     {slices.Repeat([]string{"a=1"}, 1000), true, ""},
		"not ASCII":        {[]string{"a=\xff"}, true, ""},
		"a line break":     {[]string{"a=1\r\nb: c"}, true, ""},
		"no key":           {[]string{"=1"}, true, ""},
		"empty members":    {[]string{", a=1,, b=2,"}, true, "a=1,, b=2"},
		"no value":         {[]string{"a"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			collector := tracetest.New(t)
			tracer := open(t, trace.Config{Endpoint: collector.URL})
			ctx, s := tracer.Serve(context.Background(), request, http.Header{"Traceparent": {parent}, "Tracestate": tt.values}, tt.trusted)
			req, err := http.NewRequestWithContext(ctx, "POST", "https://midas.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req, step := trace.Request(req, "/")
			step.End()
			s.End()
			_ = tracer.Close()
			if got := req.Header.Get("tracestate"); got != tt.want {
				t.Errorf("sent: %q", got)
			}
			for _, s := range collector.Spans() {
				if s.State != tt.want || s.Remote != (tt.trusted && s.Kind == "SPAN_KIND_SERVER") {
					t.Errorf("received: %+v", s)
				}
			}
		})
	}
}
