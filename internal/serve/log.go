package serve

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	linesKept = 100 * time.Millisecond // how long a line of the log waits for others
	linesRoom = 32 << 10               // how many bytes wait at most
)

// lines buffers the lines of a log and writes several of them at once, because a write for each request
// is a good part of what the request costs. A line waits for no longer than linesKept. Close writes the
// lines that wait; later ones are written as they come.
type lines struct {
	to io.Writer

	mu    sync.Mutex
	kept  []byte
	timed bool // a Flush is scheduled
	ended bool
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.to.Write(line)
	}
	l.kept = append(l.kept, line...)
	if len(l.kept) >= linesRoom {
		return len(line), l.flush()
	}
	if !l.timed {
		l.timed = true
		time.AfterFunc(linesKept, func() { _ = l.Flush() }) // there is no other place to report the error
	}
	return len(line), nil
}

// Flush writes the lines that wait.
func (l *lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timed = false
	return l.flush()
}

func (l *lines) flush() error {
	if len(l.kept) == 0 {
		return nil
	}
	_, err := l.to.Write(l.kept)
	l.kept = l.kept[:0]
	return err
}

// Close flushes and stops the buffering.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return l.flush()
}

// prompt is a handler that writes warnings and errors at once, after the lines that wait.
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

// LogOptions say how a log looks.
type LogOptions struct {
	Level  slog.Level // the least important level that is logged
	Format string     // json, or text, which is the default
}

// NewLogger makes a log that writes each line as it comes.
func NewLogger(to io.Writer, o LogOptions) *slog.Logger { return slog.New(newHandler(to, o)) }

// NewBufferedLogger makes the log of a process that serves requests. Closing it writes what is buffered;
// later lines are written as they come.
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
