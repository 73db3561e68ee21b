package serve

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	flushDelay  = 100 * time.Millisecond // the longest time that a line waits
	maxBuffered = 32 << 10               // the most bytes that wait
)

// lines buffers the lines of a log and writes several of them at once, because a system call for each request
// would take a considerable part of the request's time. A line waits for at most flushDelay. After Close, each
// line is written at once.
type lines struct {
	to io.Writer

	mu     sync.Mutex
	buffer []byte
	timed  bool // a Flush is scheduled
	ended  bool
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.to.Write(line)
	}
	l.buffer = append(l.buffer, line...)
	if len(l.buffer) >= maxBuffered {
		return len(line), l.flush()
	}
	if !l.timed {
		l.timed = true
		time.AfterFunc(flushDelay, func() { _ = l.Flush() }) // the log is the only place where errors could be reported
	}
	return len(line), nil
}

// Flush writes the buffered lines.
func (l *lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timed = false
	return l.flush()
}

func (l *lines) flush() error {
	if len(l.buffer) == 0 {
		return nil
	}
	_, err := l.to.Write(l.buffer)
	l.buffer = l.buffer[:0]
	return err
}

// Close writes the buffered lines and ends the buffering.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return l.flush()
}

// prompt is a slog.Handler that flushes the lines after each warning and error.
type prompt struct {
	slog.Handler
	lines *lines
}

func (p prompt) Handle(ctx context.Context, r slog.Record) error {
	err := p.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn && err == nil {
		err = p.lines.Flush()
	}
	return err
}

func (p prompt) WithAttrs(attrs []slog.Attr) slog.Handler {
	return prompt{p.Handler.WithAttrs(attrs), p.lines}
}

func (p prompt) WithGroup(name string) slog.Handler {
	return prompt{p.Handler.WithGroup(name), p.lines}
}

// LogOptions are the level and the format of a log.
type LogOptions struct {
	Level  slog.Level // the least important level that is logged
	Format string     // "json" or "text"; empty means text
}

// NewLogger makes a log that writes each line at once.
func NewLogger(to io.Writer, o LogOptions) *slog.Logger { return slog.New(newHandler(to, o)) }

// NewBufferedLogger makes a buffered log, for processes that serve requests. Close writes the buffered lines;
// after it, each line is written at once.
func NewBufferedLogger(to io.Writer, o LogOptions) (*slog.Logger, io.Closer) {
	l := &lines{to: to}
	return slog.New(prompt{newHandler(l, o), l}), l
}

func newHandler(to io.Writer, o LogOptions) slog.Handler {
	opts := &slog.HandlerOptions{Level: o.Level}
	if o.Format == "json" {
		return slog.NewJSONHandler(to, opts)
	}
	return slog.NewTextHandler(to, opts)
}
