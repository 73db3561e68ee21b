//go:build cluster

package cluster

import (
	"context"
	"errors"
	"time"

	"midas/internal/throttle"
)

// The limits of requests of joining machines. Each request of a stranger costs a read of a majority of the members, so
// one address may send a few wrong tokens only, and few requests run at the same time.
const (
	joinSlots   = 4
	joinWaiting = 32
	joinWait    = 10 * time.Second // of a request for its turn
)

var (
	wrongTokensPerAddress = throttle.Rule{Name: "token of a joining machine from an address", Burst: 10, Refill: 6 * time.Second}
	wrongTokensPerNetwork = throttle.Rule{Name: "token of a joining machine from a network", Burst: 40, Refill: 2 * time.Second}
)

// limits bounds the requests of joining machines. It is safe for concurrent use.
type limits struct {
	table *throttle.Table
	queue throttle.Queue
}

func newLimits(now func() time.Time) *limits {
	return &limits{
		table: &throttle.Table{Now: now, Buckets: 1 << 12},
		queue: throttle.Queue{Slots: joinSlots, Waiting: joinWaiting},
	}
}

// throttled is the error of a request that comes too early.
type throttled struct{ wait time.Duration }

func (throttled) Error() string { return "too many requests of joining machines" }

// do runs fn for a client in its turn. A token that fn refuses with ErrToken is counted; too many of them delay the
// client, and fn does not run.
func (l *limits) do(ctx context.Context, client string, fn func() error) error {
	from := throttle.SourceOf(client)
	charges := []throttle.Charge{
		l.table.Charge(wrongTokensPerAddress, from.Address()), l.table.Charge(wrongTokensPerNetwork, from.Network()),
	}
	if wait := l.table.Take(charges...); wait > 0 {
		return throttled{wait}
	}
	waiting, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	release, err := l.queue.Acquire(waiting, throttle.Waiter{From: from})
	if err != nil {
		l.table.Return(charges...)
		return throttled{time.Second}
	}
	defer release()
	if err = fn(); !errors.Is(err, ErrToken) {
		l.table.Return(charges...)
	}
	return err
}
