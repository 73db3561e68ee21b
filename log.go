package midas

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// How long, and how many bytes of, a log's lines are kept to be written together.
const (
	linesKept = 100 * time.Millisecond
	linesRoom = 32 << 10
)

// lines writes what a busy server logs a few lines at a time, because a write for each request is a
// good part of what the request costs. A line waits for no longer than linesKept. After Close, which
// writes what waits, lines go straight through.
type lines struct {
	to io.Writer

	mu    sync.Mutex
	kept  []byte
	timed bool // a Flush is on its way
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
		time.AfterFunc(linesKept, func() { _ = l.Flush() }) // a log that cannot be written has nobody to tell
	}
	return len(line), nil
}

// Flush writes what waits.
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

// Close is Flush, and ends the waiting.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return l.flush()
}

// prompt is a handler that writes warnings and errors at once, with all that led to them.
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

// logger is the log of a command, which writes each line as it comes.
func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.New(c.Log.handler(os.Stderr))
}

// server is the log of what serves requests. It is to be closed at the end.
func (c LogConfig) server() (*slog.Logger, *lines) {
	l := &lines{to: os.Stderr}
	return slog.New(prompt{c.handler(l), l}), l
}

func (c LogConfig) handler(to io.Writer) slog.Handler {
	opts := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.NewJSONHandler(to, opts)
	}
	return slog.NewTextHandler(to, opts)
}
