package clock

import (
	"context"
	"time"
)

// Every calls fn at each interval, the first time after one interval, until ctx ends. While fn runs, no time is
// counted: calls do not overlap, and at most one is due when fn returns.
func Every(ctx context.Context, interval time.Duration, fn func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		fn(ctx)
	}
}
