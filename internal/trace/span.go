package trace

import (
	"context"
	"sync/atomic"
	"time"
)

// kind is the kind of a span, with the numbers of OTLP.
type kind uint64

const (
	internal kind = 1 // a step inside of this process
	server   kind = 2 // a request that was served
	client   kind = 3 // a request that was sent
)

// maxSpans bounds the spans of one request or one pass of a job.
const maxSpans = 256

// Span is one step of a trace. A nil Span records nothing. It belongs to the goroutine that began it; steps of other
// goroutines can begin below it.
type Span struct {
	tracer  *Tracer
	trace   TraceID
	id      SpanID
	parent  SpanID // zero if the trace begins here
	link    Parent // the step of a stranger that caused the request; zero if there is none
	state   string // the header tracestate of the sender whose trace is continued
	sampled bool
	job     string        // not empty if this is the place of the spans of a job, and not a span itself
	count   *atomic.Int64 // spans of the request or pass

	kind    kind
	name    string
	start   time.Time
	end     time.Time
	attrs   []Attr
	failure string
}

// key is the key of the current span in a context.
type key struct{}

// current returns the span of a context, or nil.
func current(ctx context.Context) *Span {
	s, _ := ctx.Value(key{}).(*Span)
	return s
}

// Start begins a step below the current span. It returns the context of the step, and a nil Span if nothing is
// recorded. In a context of Tracer.Job, a trace begins.
func Start(ctx context.Context, name string) (context.Context, *Span) {
	return begin(ctx, name, internal)
}

// StartClient begins a step that waits for another program.
func StartClient(ctx context.Context, name string) (context.Context, *Span) {
	return begin(ctx, name, client)
}

func begin(ctx context.Context, name string, k kind) (context.Context, *Span) {
	above := current(ctx)
	switch {
	case above == nil || above.job == "" && !above.sampled:
		return ctx, nil
	case above.job != "":
		s := above.tracer.root(TraceID{}, Parent{}, k)
		s.name = name
		s.Set(String("midas.job", above.job))
		return context.WithValue(ctx, key{}, s), s.recorded()
	case above.count.Add(1) > maxSpans:
		above.tracer.figures.limit.Add(1)
		return ctx, nil
	}
	s := &Span{tracer: above.tracer, trace: above.trace, id: newSpanID(), parent: above.id, state: above.state, sampled: true,
		count: above.count, kind: k, name: name, start: time.Now()}
	return context.WithValue(ctx, key{}, s), s
}

// Pass begins a trace for one pass of a job, in a context of Tracer.Job. In other contexts it does nothing.
func Pass(ctx context.Context) (context.Context, *Span) {
	above := current(ctx)
	if above == nil || above.job == "" {
		return ctx, nil
	}
	return begin(ctx, above.job, internal)
}

// recorded returns s if it is recorded, and nil otherwise.
func (s *Span) recorded() *Span {
	if !s.sampled {
		return nil
	}
	return s
}

// Sampled reports whether the span is recorded, so that a caller can omit to make attributes.
func (s *Span) Sampled() bool { return s != nil && s.sampled }

// Name changes the name of the span. Names come from code, never from a request.
func (s *Span) Name(name string) {
	if s.Sampled() {
		s.name = name
	}
}

// Set adds attributes.
func (s *Span) Set(attrs ...Attr) {
	if !s.Sampled() {
		return
	}
	for _, a := range attrs {
		if len(s.attrs) < maxAttrs {
			a.text = clip(a.text)
			s.attrs = append(s.attrs, a)
		}
	}
}

// Fail records that the step failed. reason is the value of error.type: a word from code, never the text of an error,
// which may contain secrets. An empty reason does nothing.
func (s *Span) Fail(reason string) {
	if s.Sampled() && reason != "" {
		s.failure = clip(reason)
	}
}

// End ends the span. It never waits: if the queue to the collector is full, the span is lost.
func (s *Span) End() {
	if !s.Sampled() {
		return
	}
	s.end = s.start.Add(time.Since(s.start)) // by the monotonic clock
	s.tracer.enqueue(s)
}

// IDs returns the ids of the current span of a context, and false if there is none.
func IDs(ctx context.Context) (TraceID, SpanID, bool) {
	s := current(ctx)
	if s == nil || s.job != "" {
		return TraceID{}, SpanID{}, false
	}
	return s.trace, s.id, true
}
