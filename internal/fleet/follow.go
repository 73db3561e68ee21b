package fleet

import (
	"context"
	"sync"

	"midas/internal/host"
)

// stateful computes the states of the resources whose hosts wait for a change: of each resource once
// after a change, however many wait for it.
type stateful struct {
	mu     sync.Mutex
	topics map[string]*topic // by the key of the resource
}

// topic is the state of one resource while somebody waits for it.
type topic struct {
	end     context.CancelFunc
	waiting int // under stateful.mu

	mu      sync.Mutex
	state   host.State
	err     error
	known   bool          // the state has been computed
	changed chan struct{} // closed when it is computed anew
}

// Following is one waiter's view of the state of its host's resource.
type Following struct {
	topic *topic
	leave func()
}

// Follow begins to follow the state of a host's resource. End must be called.
func (f *Fleet) Follow(h Host) *Following {
	s, key := &f.states, h.id.Key()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[key]
	if t == nil {
		ctx, cancel := context.WithCancel(context.Background()) // it outlives the first waiter's request
		t = &topic{end: cancel, changed: make(chan struct{})}
		s.topics[key] = t
		go f.compute(ctx, t, h)
	}
	t.waiting++
	return &Following{topic: t, leave: sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			t.end()
			delete(s.topics, key)
		}
	})}
}

// End ends it.
func (w *Following) End() { w.leave() }

// State gives the state, and a channel that is closed when it was computed again after a change; then it
// may be another one. The first State waits until it has been computed.
func (w *Following) State(ctx context.Context) (host.State, <-chan struct{}, error) {
	for {
		w.topic.mu.Lock()
		state, err, known, changed := w.topic.state, w.topic.err, w.topic.known, w.topic.changed
		w.topic.mu.Unlock()
		if known {
			return state, changed, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return host.State{}, nil, ctx.Err()
		}
	}
}

// compute keeps a topic's state until ctx ends.
func (f *Fleet) compute(ctx context.Context, t *topic, h Host) {
	changed, end := f.Watch(h.id) // before the first look, so that nothing is missed
	defer end()
	for {
		state, err := f.State(ctx, h)
		t.mu.Lock()
		t.state, t.err, t.known = state, err, true
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
