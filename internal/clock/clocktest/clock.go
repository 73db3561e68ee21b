// Package clocktest has a clock for tests whose wall clock can be set separately from its monotonic clock.
package clocktest

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Clock is the machine's clock plus an offset. The zero Clock has no offset. It is safe for concurrent use.
type Clock struct{ both, wall atomic.Int64 }

// Now returns the time with a monotonic reading.
func (c *Clock) Now() time.Time {
	return shiftWall(time.Now().Add(time.Duration(c.both.Load())), time.Duration(c.wall.Load()))
}

// Forward advances both the wall clock and the monotonic clock.
func (c *Clock) Forward(d time.Duration) { c.both.Add(int64(d)) }

// Set moves only the wall clock, by d. A process sees the same when the clock is set, and after a suspension
// or a restored snapshot.
func (c *Clock) Set(d time.Duration) { c.wall.Add(int64(d)) }

// Uptime returns a time that advances with the monotonic clock and does not depend on Set.
func (c *Clock) Uptime() time.Duration {
	return time.Duration(c.both.Load()) + time.Duration(time.Now().UnixNano())
}

// shiftWall moves the wall clock reading of a time and leaves its monotonic reading, for which package
// time has no function. Seconds are the 33 bits above 30 bits of nanoseconds, so d counts in seconds.
func shiftWall(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return t
	}
	wall := (*uint64)(unsafe.Pointer(&t)) //nolint:gosec // the first field of time.Time, which TestSet checks
	*wall += uint64(int64(d/time.Second) << 30)
	return t
}
