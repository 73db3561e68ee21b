//go:build !linux

package clock

import "time"

// Uptime returns a function that returns a time that is independent of the wall clock. Whether it includes
// suspensions depends on the operating system; if not, a suspension looks like a clock that was set.
func Uptime() func() time.Duration {
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }
}
