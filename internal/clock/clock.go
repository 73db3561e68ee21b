// Package clock compares times on machines whose wall clock can be set and which can be suspended.
//
// A time.Time of time.Now has two readings. Machines share the wall clock, but it can be set forwards and
// backwards. The monotonic clock cannot be set, but it stops while the machine is suspended, and a snapshot
// that is restored a week later continues where it stopped. Go compares the monotonic readings if both
// times have one, so a deadline in memory ignores the time of a suspension.
//
// The rules for the whole project are:
//
//   - A period in memory is over as soon as it is over by one of the two clocks: Elapsed, Over.
//   - A start time may be up to Skew later than now, because another clock, or this one before it was set, may
//     have determined it: Begun. This applies to tokens, assertions, secrets and certificates.
//   - An end time that this server has set is exact. The end of an assertion, which a client has set, may be
//     up to Skew earlier than now.
//   - Jobs that delete records by age ask package retention first.
package clock

import "time"

// Skew is how much two clocks may differ: the clocks of replicas and clients, and the clock of this machine
// before and after it was set.
const Skew = 5 * time.Minute

// Elapsed returns the time from since to now by the clock with the larger difference. Times that were
// decoded or rounded have a wall clock reading only.
func Elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// Over reports whether a period of length life that began at since is over by one of the clocks.
func Over(since time.Time, life time.Duration, now time.Time) bool {
	return Elapsed(since, now) >= life
}

// Begun reports whether start is not later than now plus Skew. It is true for the zero start.
func Begun(start, now time.Time) bool { return !now.Round(0).Add(Skew).Before(start) }

// Slept returns how much more the wall clock has advanced than the monotonic clock since a time: how long
// the machine was suspended, how old the snapshot was from which it was restored, or how far the clock was
// set forward. It is negative if the clock was set back.
func Slept(since, now time.Time) time.Duration {
	return now.Round(0).Sub(since.Round(0)) - now.Sub(since)
}
