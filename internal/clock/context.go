package clock

import (
	"context"
	"time"
)

type contextKey struct{}

// With returns a context whose jobs and waits follow a clock. It returns ctx itself for the machine's clock.
func With(ctx context.Context, c *Clock) context.Context {
	if c == nil {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, c)
}

// Of returns the clock of a context; nil, the machine's clock, if it has none.
func Of(ctx context.Context) *Clock {
	c, _ := ctx.Value(contextKey{}).(*Clock)
	return c
}

// Sleep waits for d by the clock of ctx, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	t := Of(ctx).NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
