// Package throttle limits how often clients may try, and decides in which order they are served.
//
// A Table holds the token buckets of all rules of a server, in memory of a fixed size. The key of a bucket
// is a keyed hash, so the table keeps no data of clients. A bucket that is full again is free. Callers
// name a bucket by a Rule and the parts of its key, take tokens from it before the operation that it
// limits, and return unused tokens:
//
//	charge := table.Charge(rule, tenant, application, source.Address())
//	if wait := table.Take(charge); wait > 0 {
//		return errThrottled(wait) // nothing was counted
//	}
//	...
//	table.Return(charge) // the secret was right
//
// PasswordLimiter applies five rules to password attempts: for one user from one address, for one user from
// all addresses, for one address, for one network, and for look-ups of familiar addresses. Callers that check
// a client's password call PasswordLimiter.Try before, and Forgive or Succeeded afterwards. The Attempt that
// Try returns also identifies the request in the Queue for hashes.
//
// A Queue runs a few operations concurrently and serves waiting ones in turns, network by network. A client
// that sends many requests delays others by at most one turn of each network.
//
// A Source is the address and the network of a client. Callers check the length of names (MaxName) before
// they use them in keys.
package throttle
