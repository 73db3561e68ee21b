package clock

import (
	"context"
	"time"

	"midas/internal/trace"
)

// Every calls fn at each interval by the clock of ctx, the first time after one interval, until ctx ends. While fn runs,
// no time is counted, so calls do not overlap. If the clock is moved past several intervals, fn is called once. In a
// context of trace.Tracer.Job each call is a trace.
func Every(ctx context.Context, interval time.Duration, fn func(context.Context)) {
	t := Of(ctx).newTimer(interval, true)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		pass(ctx, fn)
		t.again(interval)
	}
}

func pass(ctx context.Context, fn func(context.Context)) {
	ctx, span := trace.Pass(ctx)
	defer span.End()
	fn(ctx)
}
