package clock

import (
	"context"
	"time"

	"midas/internal/trace"
)

// Every calls fn at each interval, the first time after one interval, until ctx ends. While fn runs, no time is
// counted: calls do not overlap, and at most one is due when fn returns. In a context of trace.Tracer.Job
// each call is a trace.
func Every(ctx context.Context, interval time.Duration, fn func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pass(ctx, fn)
	}
}

func pass(ctx context.Context, fn func(context.Context)) {
	ctx, span := trace.Pass(ctx)
	defer span.End()
	fn(ctx)
}
