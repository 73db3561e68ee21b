package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime gives a function that says how much time has passed since the machine was started. It counts
// the time that the machine was suspended, and nothing that is done to the wall clock changes it. So
// the difference between two answers tells a wall clock that was set from a machine that has slept.
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
