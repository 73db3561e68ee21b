// Package clocktest has a clock for tests that does what machines do to their clocks. It is for tests
// only.
package clocktest

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Clock is the machine's clock, moved. The zero Clock is not moved. It is safe for concurrent use.
type Clock struct{ both, wall atomic.Int64 }

// Now tells the time. It has a monotonic reading.
func (c *Clock) Now() time.Time {
	return shiftWall(time.Now().Add(time.Duration(c.both.Load())), time.Duration(c.wall.Load()))
}

// Forward lets time pass.
func (c *Clock) Forward(d time.Duration) { c.both.Add(int64(d)) }

// Set moves the wall clock alone, as whoever sets it does, and as it looks to a process after a
// suspend or a restored snapshot.
func (c *Clock) Set(d time.Duration) { c.wall.Add(int64(d)) }

// Uptime is the time that has passed on this clock, whatever was done to its wall clock.
func (c *Clock) Uptime() time.Duration {
	return time.Duration(c.both.Load()) + time.Duration(time.Now().UnixNano())
}

// shiftWall moves the wall clock reading of a time and leaves its monotonic reading, for which package
// time has no function. Seconds are the 33 bits above 30 bits of nanoseconds, so d counts in seconds.
func shiftWall(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return t
	}
	wall := (*uint64)(unsafe.Pointer(&t)) //nolint:gosec // the first field of time.Time, of which TestSet makes sure
	*wall += uint64(int64(d/time.Second) << 30)
	return t
}
