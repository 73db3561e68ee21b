package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime returns a function that returns the time since the machine was booted, including suspensions and
// independent of the wall clock. Its differences show whether the wall clock was set or the machine was
// suspended.
func Uptime() func() time.Duration {
	begin := time.Now()
	return func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
			return time.Since(begin) // a kernel without the clock, or a sandbox that hides it
		}
		return time.Duration(t.Nano())
	}
}
