package store

import "context"

// guardKey is the key of a context's guard.
type guardKey struct{}

// Guarded returns a context in which every Update of a Store runs check first, in the same transaction and in each
// attempt, and writes nothing if check returns an error, which Update then returns unchanged. check Gets the record
// that the work depends on, so that a change of this record between the read and the commit makes the Update run
// again.
//
// It is for work that one process at a time may do, under a record that its holder renews: a process that was paused
// and has lost the record learns of that by no timer. The guard belongs to the context, as its deadline does, because
// it limits everything that is done under it: a step of the work cannot omit it.
func Guarded(ctx context.Context, check func(Tx) error) context.Context {
	return context.WithValue(ctx, guardKey{}, check)
}

// guardOf returns the guard of a context, or nil.
func guardOf(ctx context.Context) func(Tx) error {
	check, _ := ctx.Value(guardKey{}).(func(Tx) error)
	return check
}

// guardedBy returns the function of an Update that runs check before fn.
func guardedBy(check, fn func(Tx) error) func(Tx) error {
	return func(tx Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		return fn(tx)
	}
}
