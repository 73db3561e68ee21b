//go:build cluster

package etcd

import (
	"errors"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"midas/internal/store"
)

// Limits of the Txns of one replica.
const (
	// mostFlying is how many commits are under way when others begin to wait. One would make two writers wait for each
	// other, more would make the groups small.
	mostFlying = 2

	mostCommits    = 48        // of a group
	mostGroupBytes = 512 << 10 // of a group of more than one commit; etcd takes 1.5 MiB
	mostOperations = 128       // of the group and of its commit with the most: etcd's limit, unless its operator sets another
)

// queue holds the commits that wait while others are under way.
type queue struct {
	mu      sync.Mutex
	waiting []*pending // oldest first
	flying  int        // commits that are under way
	closed  bool
	groups  sync.WaitGroup // that are being sent

	operations, bytes int // the limits of a group, which become smaller if etcd's are
}

func newQueue() *queue { return &queue{operations: mostOperations, bytes: mostGroupBytes} }

// enter reports whether a commit may be sent at once. If not, it waits in the queue, unless the queue is closed.
func (q *queue) enter(p *pending) (now bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return false, store.ErrClosed
	case q.flying < mostFlying:
		q.flying++
		return true, nil
	}
	q.waiting = append(q.waiting, p)
	return false, nil
}

// remove takes out a commit that was not sent, and reports whether it has done so.
func (q *queue) remove(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, p)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// next ends a Txn of so many commits, and returns those of the one that follows it. They are nil if none waits, or if
// there are others whose end is followed by those that wait. The caller calls q.groups.Done when it has sent them.
func (q *queue) next(ended int) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying -= ended
	if len(q.waiting) == 0 || q.flying >= mostFlying {
		return nil
	}
	g := newGroup(q.operations, q.bytes)
	q.waiting = slices.DeleteFunc(q.waiting, g.take)
	q.groups.Add(1)
	q.flying += len(g.commits)
	return g.commits
}

// refuse ends the waiting commits whose guards cannot hold, because a Txn has written the keys of those commits with a
// newer revision. So of many creators of one name, one sends its commit.
func (q *queue) refuse(written []*pending, rev store.Revision) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return
	}
	keys := make(map[string]bool)
	for _, p := range written {
		for _, w := range p.commit.Writes {
			keys[w.Key] = true
		}
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(p *pending) bool {
		if p.commit.Newest && p.commit.At < rev {
			p.finish(0, store.ErrOvertaken)
			return true
		}
		for _, g := range p.commit.Guards {
			if g.Revision < rev && keys[g.Key] {
				p.finish(0, store.ErrConflict)
				return true
			}
		}
		return false
	})
}

// shrink makes groups smaller, if etcd has refused one because of its operations or its bytes.
func (q *queue) shrink(group []*pending, refusal error) {
	tooMany := errors.Is(refusal, rpctypes.ErrTooManyOps)
	if !tooMany && !errors.Is(refusal, rpctypes.ErrRequestTooLarge) && !tooLargeAnswer(refusal) {
		return // because of the rights of the user, which may be given again
	}
	most, bytes := 0, 0
	for _, p := range group {
		most, bytes = max(most, p.operations()), bytes+p.bytes
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if tooMany {
		q.operations = min(q.operations, (len(group)+1+most)*3/4)
		return
	}
	q.bytes = min(q.bytes, bytes/2)
}

// close refuses further commits, and those that wait, and waits for those that are under way.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	for _, p := range q.waiting {
		p.finish(0, store.ErrClosed)
	}
	q.waiting = nil
	q.mu.Unlock()
	q.groups.Wait()
}
