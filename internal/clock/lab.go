package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is a clock that a laboratory can move and stop. The nil *Clock is the machine's clock, and the zero Clock shows
// the machine's time until it is moved. Its times have both readings of package time. It is safe for concurrent use and
// must not be copied.
type Clock struct {
	reading atomic.Pointer[reading] // nil: the machine's time

	mu      sync.Mutex
	waiting map[*Timer]struct{}
	working int           // jobs whose tick has come, and which have not finished their pass
	idle    chan struct{} // closed when working becomes 0; nil while it is 0
}

// reading is how a Clock differs from the machine's clock.
type reading struct {
	offset time.Duration
	stop   time.Time // the time at which the clock stands; zero while it runs
}

// Now returns the time. It is time.Now for the nil *Clock.
func (c *Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	switch r := c.reading.Load(); {
	case r == nil:
		return time.Now()
	case !r.stop.IsZero():
		return r.stop
	default:
		return time.Now().Add(r.offset)
	}
}

// Func returns the method Now, and time.Now itself for the machine's clock.
func (c *Clock) Func() func() time.Time {
	if c == nil {
		return time.Now
	}
	return c.Now
}

// Begin returns the time from which new certificates are valid: that of the clock, or the machine's if the clock is
// ahead, because clients compare it with their own clocks.
func (c *Clock) Begin() time.Time {
	now, machine := c.Now(), time.Now()
	if machine.Before(now) {
		return machine
	}
	return now
}

// Uptime is the function Uptime, for a time that moves with the clock.
func (c *Clock) Uptime() func() time.Duration {
	up := Uptime()
	if c == nil {
		return up
	}
	return func() time.Duration { return up() + c.Offset() }
}

// Offset returns how much the clock is ahead of the machine's clock.
func (c *Clock) Offset() time.Duration {
	if c == nil {
		return 0
	}
	r := c.reading.Load()
	switch {
	case r == nil:
		return 0
	case !r.stop.IsZero():
		return time.Until(r.stop)
	}
	return r.offset
}

// Stopped reports whether the clock stands.
func (c *Clock) Stopped() bool {
	if c == nil {
		return false
	}
	r := c.reading.Load()
	return r != nil && !r.stop.IsZero()
}

// Advance moves the clock forward by d, which must not be negative. Timers that are due by then fire at once.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.last()
	if r.stop.IsZero() {
		r.offset += d
	} else {
		r.stop = r.stop.Add(d)
	}
	c.reading.Store(&r)
	c.rearm(0)
}

// Stop makes the clock stand. Its timers do not fire until it runs again or is moved.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.last()
	if !r.stop.IsZero() {
		return
	}
	r.stop = time.Now().Add(r.offset)
	c.reading.Store(&r)
	c.rearm(0)
}

// Start makes a clock run that stands, from the time at which it stands.
func (c *Clock) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.last()
	if r.stop.IsZero() {
		return
	}
	c.reading.Store(&reading{offset: time.Until(r.stop)})
	c.rearm(0)
}

// Reset makes the clock show the machine's time again. What is left of the time of each timer stays as it is.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.Now()
	c.reading.Store(nil)
	c.rearm(time.Until(before))
}

func (c *Clock) last() reading {
	if r := c.reading.Load(); r != nil {
		return *r
	}
	return reading{}
}

// Settled waits until the jobs whose ticks have come have finished their passes, or until ctx ends.
func (c *Clock) Settled(ctx context.Context) {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// work counts the jobs whose tick has come. The caller holds mu.
func (c *Clock) work(n int) {
	if c.working += n; c.working == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	} else if c.working > 0 && c.idle == nil {
		c.idle = make(chan struct{})
	}
}

// rearm fires the timers that are due, and sets the others to what is left. back is how far the clock has gone back.
// The caller holds mu.
func (c *Clock) rearm(back time.Duration) {
	now := c.Now()
	for t := range c.waiting {
		t.at = t.at.Add(-back)
		t.arm(now)
	}
}
