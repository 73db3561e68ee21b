package trace

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueLength  = 2048
	batchLength  = 512
	batchTime    = 5 * time.Second  // from the first span of a batch to its request
	requestTime  = 10 * time.Second // of one request to the collector
	flushTime    = 3 * time.Second  // of Close
	attempts     = 3                // for one batch
	longestPause = 30 * time.Second // before another attempt, whatever the collector asks for
)

// Tracer records traces and sends them to a collector. A nil Tracer records nothing. It is safe for concurrent use.
type Tracer struct {
	cfg       Config
	threshold uint64 // of the last seven bytes of the ids of traces that are recorded
	queue     chan *Span
	figures   figures
	exporter  exporter

	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when the last batch was sent or given up
	once    sync.Once
}

// figures counts spans for metrics.
type figures struct {
	exported, full, failed, rejected, limit atomic.Uint64
}

// New makes a Tracer. It reads the files of cfg, and asks the collector nothing: traces are no reason not to start. It
// returns nil if cfg has no endpoint.
func New(cfg Config, log *slog.Logger) (*Tracer, error) {
	if cfg.Endpoint == "" {
		return nil, nil
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	t := &Tracer{
		cfg: cfg, threshold: threshold(cfg.ratio()), queue: make(chan *Span, queueLength),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	var err error
	if t.exporter, err = newExporter(cfg, log); err != nil {
		return nil, err
	}
	go t.run()
	return t, nil
}

// threshold returns the least value of the last seven bytes of a trace id with which a trace is recorded (OpenTelemetry,
// "TraceState: Probability Sampling"). All programs with the same ratio so record the same traces.
func threshold(ratio float64) uint64 { return uint64((1 - ratio) * (1 << 56)) }

// samples reports whether a trace that begins here is recorded.
func (t *Tracer) samples(id TraceID) bool {
	return binary.BigEndian.Uint64(id[8:])&(1<<56-1) >= t.threshold
}

// root makes the first span of a request or a pass.
func (t *Tracer) root(id TraceID, parent Parent, k kind) *Span {
	if id == (TraceID{}) {
		_, _ = rand.Read(id[:]) // crypto/rand.Read returns no error
	}
	s := &Span{tracer: t, trace: id, id: newSpanID(), kind: k, start: time.Now()}
	if s.sampled = t.samples(id); parent.Trace == id {
		s.parent, s.sampled = parent.Span, parent.Sampled
	}
	if s.sampled {
		s.count = new(atomic.Int64)
	}
	return s
}

// newSpanID returns a random id.
func newSpanID() (id SpanID) {
	_, _ = rand.Read(id[:]) // crypto/rand.Read returns no error
	return id
}

// Serve begins the span of a request that was received, from its headers traceparent and tracestate. If the sender is
// trusted, the span continues the sender's trace, and is recorded if and only if the sender says so. Otherwise a trace
// with the id of the request begins, which the sender cannot choose, and the sender's span is only named as a link.
//
// The context of the result has the span even if it is not recorded, so that its ids are in log lines.
func (t *Tracer) Serve(ctx context.Context, request TraceID, header http.Header, trusted bool) (context.Context, *Span) {
	parent, ok := ParseParent(header[Header])
	var s *Span
	if ok && trusted {
		s = t.root(parent.Trace, parent, server)
		s.state = ParseState(header[StateHeader])
	} else if s = t.root(request, Parent{}, server); ok {
		s.link = parent
	}
	return context.WithValue(ctx, key{}, s), s
}

// Job returns a context in which each pass of a job is a trace of its own, by the ratio of the Tracer. A nil Tracer
// returns ctx.
func (t *Tracer) Job(ctx context.Context, name string) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, &Span{tracer: t, job: name})
}

// enqueue gives a span to the exporter, or drops it if the queue is full.
func (t *Tracer) enqueue(s *Span) {
	select {
	case <-t.closing:
		t.figures.full.Add(1)
		return
	default:
	}
	select {
	case t.queue <- s:
	default:
		t.figures.full.Add(1)
	}
}

// Close sends the spans in the queue, for three seconds at most. Spans that end later are lost.
func (t *Tracer) Close() error {
	if t != nil {
		t.once.Do(func() { close(t.closing) })
		<-t.ended
	}
	return nil
}

// run sends the spans of the queue in batches until Close, and then what is left.
func (t *Tracer) run() {
	defer close(t.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a request that hangs must not hold up Close
		select {
		case <-t.closing:
			select {
			case <-t.ended:
			case <-time.After(flushTime):
			}
		case <-ctx.Done():
		}
		cancel()
	}()
	for {
		batch, more := t.batch()
		if len(batch) > 0 {
			t.send(ctx, batch)
		}
		if !more {
			return
		}
	}
}

// batch waits for spans, and reports whether more can follow.
func (t *Tracer) batch() (batch []*Span, more bool) {
	closing := t.closing
	select {
	case s := <-t.queue:
		batch = append(batch, s)
	case <-closing:
	}
	late := time.NewTimer(batchTime)
	defer late.Stop()
	for len(batch) < batchLength {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
			continue
		default:
		}
		select {
		case <-closing:
			return batch, len(t.queue) > 0
		case <-late.C:
			return batch, true
		case s := <-t.queue:
			batch = append(batch, s)
		}
	}
	return batch, true
}

// send sends a batch, and counts what became of its spans. While the collector does not answer, the queue fills up and
// further spans are dropped: there is never more than the queue and one batch in memory.
func (t *Tracer) send(ctx context.Context, batch []*Span) {
	body := encode(t.cfg.resource(), t.cfg.Version, batch)
	for attempt := 1; ; attempt++ {
		rejected, err := t.exporter.export(ctx, body)
		if err == nil {
			rejected = min(rejected, uint64(len(batch)))
			t.figures.rejected.Add(rejected)
			t.figures.exported.Add(uint64(len(batch)) - rejected)
			return
		}
		pause, again := retryAfter(err, attempt)
		if !again || attempt == attempts || !t.wait(pause) {
			t.figures.failed.Add(uint64(len(batch)))
			return
		}
	}
}

// wait waits before another attempt. It returns false if the Tracer is closed.
func (t *Tracer) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.closing:
		return false
	}
}
