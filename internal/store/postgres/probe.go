//go:build cluster

package postgres

import (
	"context"
	"sync"

	"midas/internal/store"
)

// prober shares queries of the newest revision: callers that come while a query runs share the next one.
type prober struct {
	read func() (store.Revision, error)

	mu      sync.Mutex
	running bool
	next    *probe // has not begun; nil if nobody waits for it
}

// probe is one query. Its results are set before done is closed.
type probe struct {
	done chan struct{}
	head store.Revision
	err  error
}

// probe returns the result of a query that begins after the call.
func (p *prober) probe(ctx context.Context) (store.Revision, error) {
	mine := p.join()
	select {
	case <-mine.done:
		return mine.head, mine.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (p *prober) join() *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = &probe{done: make(chan struct{})}
	}
	mine := p.next
	if !p.running {
		p.running = true
		go p.run()
	}
	return mine
}

// run makes queries until nobody waits for one.
func (p *prober) run() {
	for {
		p.mu.Lock()
		current := p.next
		p.next = nil
		p.running = current != nil
		p.mu.Unlock()
		if current == nil {
			return
		}
		current.head, current.err = p.read()
		close(current.done)
	}
}
