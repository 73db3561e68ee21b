// Package clock compares moments on machines whose wall clock can be set, and which can sleep.
//
// A time.Time that time.Now has made carries two readings. The wall clock is what other machines
// mean by a time, but it can be set, forwards and backwards. The monotonic clock cannot be set, but it
// stands still while the machine is suspended, and a snapshot that is restored a week later continues
// where it stopped. Go compares monotonic readings where both times have one, so a deadline in memory
// is silent about all the time that the machine has slept.
//
// The rules for the whole project are:
//
//   - What is kept in memory for some time is over as soon as either clock says so: Elapsed, Over.
//   - The beginning of what another clock has dated, or our own before it was set, is forgiven Skew:
//     Begun. This holds for tokens, assertions, secrets and certificates alike.
//   - The end of what our own clock has dated is exact. Only an assertion's end, which is the client's
//     to say, is forgiven Skew.
//   - What is deleted from the store for its age asks package retention first.
package clock

import "time"

// Skew is by how much clocks may differ: those of replicas, those of clients, and our own before and
// after it was set.
const Skew = 5 * time.Minute

// Elapsed gives the time from since to now by the clock that says more. Times that were read from
// somewhere, or were rounded, have a wall clock reading only.
func Elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// Over reports whether what was begun at since and may last for life is over by either clock.
func Over(since time.Time, life time.Duration, now time.Time) bool {
	return Elapsed(since, now) >= life
}

// Begun reports whether a period that begins at start has begun, forgiving Skew. The zero start is
// always past.
func Begun(start, now time.Time) bool { return !now.Round(0).Add(Skew).Before(start) }

// Slept gives by how much the wall clock has moved more than the monotonic clock since a time: for how
// long the machine was suspended, or how old the snapshot was from which it was restored, or by how much
// the clock was set forward. It is negative where the clock was set back.
func Slept(since, now time.Time) time.Duration {
	return now.Round(0).Sub(since.Round(0)) - now.Sub(since)
}
