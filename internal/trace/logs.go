package trace

import (
	"context"
	"log/slog"
)

// Logger returns a logger that adds trace_id and span_id to the lines that are logged under a span, with the names
// that OpenTelemetry gives them in logs of other formats.
func Logger(log *slog.Logger) *slog.Logger { return slog.New(logs{log.Handler()}) }

// logs is the handler of Logger.
type logs struct{ slog.Handler }

func (h logs) Handle(ctx context.Context, line slog.Record) error {
	if trace, span, ok := IDs(ctx); ok {
		line = line.Clone()
		line.AddAttrs(slog.String("trace_id", trace.String()), slog.String("span_id", span.String()))
	}
	return h.Handler.Handle(ctx, line)
}

func (h logs) WithAttrs(attrs []slog.Attr) slog.Handler { return logs{h.Handler.WithAttrs(attrs)} }

func (h logs) WithGroup(name string) slog.Handler { return logs{h.Handler.WithGroup(name)} }
