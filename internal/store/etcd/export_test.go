//go:build cluster

package etcd

import (
	"context"

	"midas/internal/store"
)

// CommitTogether sends commits as one group, in which they need not fit, and returns their revisions and errors.
func (e *Engine) CommitTogether(ctx context.Context, commits ...store.Commit) (revisions []store.Revision, failed []error) {
	var group []*pending
	for _, c := range commits {
		group = append(group, e.newPending(ctx, c))
	}
	e.sendGroup(group)
	for _, p := range group {
		o := <-p.done
		revisions, failed = append(revisions, o.revision), append(failed, o.err)
	}
	return revisions, failed
}

// Grouped divides waiting commits into the groups in which they are sent, by their positions.
func (e *Engine) Grouped(commits ...store.Commit) (groups [][]int) {
	at := make(map[*pending]int)
	q := newQueue()
	for i, c := range commits {
		p := e.newPending(context.Background(), c)
		at[p] = i
		q.waiting = append(q.waiting, p)
	}
	for len(q.waiting) > 0 {
		var positions []int
		group := q.next(0)
		for _, p := range group {
			positions = append(positions, at[p])
		}
		groups = append(groups, positions)
		q.flying = 0
	}
	return groups
}

// Waiting returns the number of commits that wait for others.
func (e *Engine) Waiting() int {
	e.queue.mu.Lock()
	defer e.queue.mu.Unlock()
	return len(e.queue.waiting)
}

// MostFlying is how many commits are under way when others begin to wait.
const MostFlying = mostFlying
