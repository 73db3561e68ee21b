// Package tracetest is a collector for tests: it takes OTLP over HTTP and decodes it with OpenTelemetry's own types.
package tracetest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was received.
type Span struct {
	Trace, ID, Parent, Name, Link string // the ids in hexadecimal digits; Link is the trace of the only link
	State                         string // the header tracestate
	Remote                        bool   // the parent is a span of another process
	Kind                          string // as OTLP names it, such as SPAN_KIND_SERVER
	Failed                        bool
	Attrs, Resource               map[string]any // texts, and numbers as int64
	Took                          time.Duration
}

// Receiver is a collector.
type Receiver struct {
	URL string

	mu       sync.Mutex
	spans    []Span
	headers  []http.Header
	bodies   []byte
	answer   func(w http.ResponseWriter) bool
	received chan struct{} // replaced whenever spans arrive
}

// New starts a collector that ends with the test.
func New(t testing.TB) *Receiver {
	r := &Receiver{received: make(chan struct{})}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(t, w, req) }))
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// Answer lets f answer the next requests itself. The spans of a request that f has answered, and reports so, are not
// received.
func (r *Receiver) Answer(f func(w http.ResponseWriter) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *Receiver) serve(t testing.TB, w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var message otlp.TracesData // has the fields of an ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &message)
	}
	if err != nil || len(message.ProtoReflect().GetUnknown()) > 0 || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s %s: %v", req.Method, req.URL, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil && r.answer(w) {
		return
	}
	r.headers, r.bodies = append(r.headers, req.Header.Clone()), append(r.bodies, body...)
	for _, process := range message.ResourceSpans {
		resource := map[string]any{}
		for _, a := range process.Resource.Attributes {
			resource[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range process.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, decode(s, resource))
			}
		}
	}
	close(r.received)
	r.received = make(chan struct{})
}

func decode(s *otlp.Span, resource map[string]any) Span {
	got := Span{
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId), Name: s.Name,
		Kind: s.Kind.String(), Failed: s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR, Attrs: map[string]any{}, Resource: resource,
		State: s.TraceState, Remote: s.Flags&uint32(otlp.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK) != 0,
		Took: time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano),
	}
	for _, a := range s.Attributes {
		if text := a.Value.GetStringValue(); text != "" {
			got.Attrs[a.Key] = text
		} else {
			got.Attrs[a.Key] = a.Value.GetIntValue()
		}
	}
	if len(s.Links) > 0 {
		got.Link = hex.EncodeToString(s.Links[0].TraceId)
	}
	return got
}

// Spans returns what was received.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Bodies returns the bytes of all requests.
func (r *Receiver) Bodies() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.bodies)
}

// Headers returns the headers of all requests.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]http.Header(nil), r.headers...)
}

// Wait waits until a span was received for which match is true, and fails the test after half a minute.
func (r *Receiver) Wait(t testing.TB, match func(Span) bool) Span {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		more := r.received
		for _, s := range r.spans {
			if match(s) {
				r.mu.Unlock()
				return s
			}
		}
		r.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("no such span among %+v", r.Spans())
		}
	}
}
