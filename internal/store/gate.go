package store

import (
	"sync"
	"sync/atomic"
)

// gate counts the running transactions so that Close can wait for them. It is not a RWMutex: with that, a
// waiting Close would also block a View inside a View, and both would wait forever.
type gate struct {
	running atomic.Int64
	closed  atomic.Bool
	idle    chan struct{} // closed when the gate is closed and no transaction runs
	once    sync.Once
}

func newGate() *gate {
	return &gate{idle: make(chan struct{})}
}

func (g *gate) enter() error {
	g.running.Add(1)
	if g.closed.Load() {
		g.leave()
		return ErrClosed
	}
	return nil
}

func (g *gate) leave() {
	if g.running.Add(-1) == 0 && g.closed.Load() {
		g.once.Do(func() { close(g.idle) })
	}
}

// close refuses new transactions, waits for the running ones, and reports whether this call was the first.
func (g *gate) close() bool {
	first := !g.closed.Swap(true)
	g.running.Add(1) // so that leave closes idle if no transaction runs
	g.leave()
	<-g.idle
	return first
}
