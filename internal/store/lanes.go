package store

import (
	"context"
	"hash/maphash"
	"time"
)

const (
	laneCount   = 64
	longestLine = 5 * time.Second // in a lane. Whoever has waited for so long goes on without it

	// laneAttempts is how often a transaction in a lane runs again without a pause. Its rivals are few, one in each
	// process. After a pause it would lose again, to the next one in the lane of the process that has won.
	laneAttempts = 48
)

// lanes line up the transactions of this process that have lost against another one. Without them, N writers of one
// record would all run again at the same moment, and send the engine N² commits of which N succeed. A transaction that
// meets no other one never enters a lane. Lanes save work; the guards of commits decide.
type lanes struct {
	seed maphash.Seed
	free [laneCount]chan struct{} // each has an element while nobody is in the lane
}

func newLanes() *lanes {
	l := &lanes{seed: maphash.MakeSeed()}
	for i := range l.free {
		l.free[i] = make(chan struct{}, 1)
		l.free[i] <- struct{}{}
	}
	return l
}

// enter waits for the lane of a key, and returns what leaves it. The wait ends with the context, and after longestLine:
// so a transaction inside another one, which waits for itself, goes on.
func (l *lanes) enter(ctx context.Context, key string) (leave func()) {
	free := l.free[maphash.String(l.seed, key)%laneCount]
	timer := time.NewTimer(longestLine)
	defer timer.Stop()
	select {
	case <-free:
		return func() { free <- struct{}{} }
	case <-timer.C:
	case <-ctx.Done(): // the next attempt returns its error
	}
	return func() {}
}

// contended is the key for which a transaction whose commit has failed waits in a lane: the first record that it has
// read and written, which is most probably what others write, too.
func (t *tx) contended() string {
	for _, op := range t.ops {
		if op.guarded && op.written {
			return op.key
		}
	}
	return ""
}
