// Package throttle bounds how often strangers may try, and in which order they are served.
//
// A Table holds the buckets of all rules of a server: one table for each server, in memory of a fixed
// size. A bucket is counted under a keyed hash of what it is about, so nothing that a client has sent
// is kept, and it ends by itself when it is full again. Callers name a bucket by a Rule and the parts
// of its key, take from it before they do what it pays for, and give back what was not used:
//
//	guess := table.Charge(rule, tenant, application, source.Address())
//	if wait := table.Take(guess); wait > 0 {
//		return errThrottled(wait) // nothing was counted
//	}
//	...
//	table.Return(guess) // the secret was right
//
// Passwords applies five rules to tries of a password: of one user from one address, of one user from
// everywhere, of one address, of one network, and of look-ups of who is familiar. Every place that
// checks a password that a client shows calls Passwords.Try first and Forgive or Succeeded afterwards;
// the Attempt that Try gives is also the place of the request in the Queue before the hash.
//
// A Queue lets a few run at once and serves those who wait in turns, network by network. Nobody who
// sends much makes others wait longer than for one turn of each network.
//
// A Source is the address and the network of a client. Callers check the length of names (MaxName)
// before they count anything under them.
package throttle
