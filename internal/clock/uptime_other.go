//go:build !linux

package clock

import "time"

// Uptime gives a function that says how much time has passed, whatever is done to the wall clock.
// Whether it counts the time that the machine was suspended depends on the operating system; where it
// does not, a machine that has slept looks like one whose clock was set.
func Uptime() func() time.Duration {
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }
}
