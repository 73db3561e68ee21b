//go:build cluster

package cluster

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// core writes etcd's log lines to a slog.Logger. etcd logs a lot at the level info when it starts, so these lines
// have the level debug. A line above it is written at most once in a while, because strangers who connect to the port
// for members, and members that do not answer, cause such lines.
type core struct {
	log    *slog.Logger
	fields []zapcore.Field
	recent *recent
}

func newCore(log *slog.Logger) *core {
	return &core{log: log, recent: &recent{last: map[string]time.Time{}}}
}

const quietFor = 10 * time.Second

// recent remembers when lines were written. etcd's messages are constants of its program, so there are few.
type recent struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// first reports whether a line was not written for a while.
func (r *recent) first(message string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, known := r.last[message]; known && now.Sub(at) < quietFor {
		return false
	}
	r.last[message] = now
	return true
}

// harmless reports whether a line of etcd says nothing to an operator of Midas: it is written at each start, or at the
// first one of a new member, before it has received anything; or it is written when the member ends as it should.
func harmless(message string) bool {
	switch message {
	case "Running http and grpc server on single port. This is not recommended for production.",
		"simple token is not cryptographically signed",
		"Failed to detect schema version", "failed to update storage version",
		"setting up serving from embedded etcd failed.", "stopping secure grpc server due to error", "stopped secure grpc server due to error":
		return true
	}
	return false
}

// Enabled implements zapcore.LevelEnabler.
func (c *core) Enabled(l zapcore.Level) bool { return c.log.Enabled(context.Background(), level(l)) }

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...), c.recent}
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	at := level(e.Level)
	if harmless(e.Message) {
		at = slog.LevelDebug
	}
	if !c.log.Enabled(context.Background(), at) || at > slog.LevelDebug && !c.recent.first(e.Message, time.Now()) {
		return nil
	}
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(values)
	}
	attributes := make([]slog.Attr, 0, len(values.Fields)+1)
	attributes = append(attributes, slog.String("of", "etcd"))
	for name, value := range values.Fields {
		attributes = append(attributes, slog.Any(name, value))
	}
	c.log.LogAttrs(context.Background(), at, e.Message, attributes...)
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return nil }

func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
