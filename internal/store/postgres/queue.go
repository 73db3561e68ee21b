//go:build cluster

package postgres

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"midas/internal/store"
)

// Limits of the commits that become one transaction of the database.
const (
	mostCommits     = 64
	mostCommitBytes = 4 << 20 // unless one commit alone is greater
)

// pending is a commit that waits.
type pending struct {
	ctx    context.Context
	commit store.Commit
	mark   int64
	bytes  int
	done   chan outcome // has space for the one outcome
}

// outcome is the result of a commit.
type outcome struct {
	revision store.Revision
	err      error
}

func newPending(ctx context.Context, c store.Commit) *pending {
	p := &pending{ctx: ctx, commit: c, mark: rand.Int64(), done: make(chan outcome, 1)}
	for _, w := range c.Writes {
		p.bytes += len(w.Key) + len(w.Value)
	}
	return p
}

func (p *pending) finish(rev store.Revision, err error) { p.done <- outcome{rev, err} }

// queue holds the commits that wait for their transaction.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	closed  bool
	filled  chan struct{} // has space for one signal
}

func (q *queue) init() { q.filled = make(chan struct{}, 1) }

// add appends a commit. It returns false if the queue is closed.
func (q *queue) add(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, p)
	q.signal()
	return true
}

func (q *queue) signal() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// remove takes a commit out that has not begun, and reports whether it has done so.
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

// take removes the first commits, as many as one transaction may have.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	count, bytes := 0, 0
	for count < len(q.waiting) && count < mostCommits {
		bytes += q.waiting[count].bytes
		if count > 0 && bytes > mostCommitBytes {
			break
		}
		count++
	}
	group := slices.Clone(q.waiting[:count])
	q.waiting = slices.Delete(q.waiting, 0, count)
	if len(q.waiting) > 0 {
		q.signal()
	}
	return group
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, p := range q.waiting {
		p.finish(0, store.ErrClosed)
	}
	q.waiting = nil
}
