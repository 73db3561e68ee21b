// Package replica lets several processes share one store: it knows which replicas are alive, and it lets one replica
// at a time do the background work.
//
// Each replica renews a record of its own (Registry). A replica that others have not seen renew it for a while, by
// their own monotonic clocks, counts as gone. No replica trusts the wall clock of another one; the records only show
// how far the wall clocks differ.
//
// The background work has a lease, a record with its holder and a term (Lease). The holder renews the record. Another
// replica takes it over when the record has not changed for a while by that replica's own monotonic clock. A lease
// alone gives no mutual exclusion: a holder can be paused, lose the lease, and go on. So every transaction of the work
// also reads the record, and commits only if the term is still the holder's own (store.Guarded).
//
// A process that alone writes its store is always the holder, and neither a Registry nor a Lease writes anything.
package replica
