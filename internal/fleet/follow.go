package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"midas/internal/host"
	"midas/internal/store"
)

// stateful computes the states of the resources whose hosts wait for a change. After a change, it computes
// the state of a resource once for all waiting hosts.
type stateful struct {
	mu     sync.Mutex
	topics map[string]*topic // by the key of the resource
}

// topic is the state of one resource while hosts wait for it.
type topic struct {
	end     context.CancelFunc
	waiting int // under stateful.mu

	mu      sync.Mutex
	state   host.State
	err     error
	known   bool          // the state has been computed
	changed chan struct{} // closed when the state is computed again
}

// Following gives one waiting request the state of its host's resource.
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

// End stops following.
func (w *Following) End() { w.leave() }

// State returns the state, and a channel that is closed when the state was computed again after a change; it
// may be the same as before. The first State waits until the state has been computed.
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

// compute updates a topic's state after each change, until ctx ends.
func (f *Fleet) compute(ctx context.Context, t *topic, h Host) {
	changed, end := f.Watch(h.id) // before the first read, so that no change is missed
	defer end()
	for {
		state, err := f.State(ctx, h)
		t.mu.Lock()
		t.state, t.err, t.known = state, err, true
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		var again <-chan time.Time // nil unless only an outage of the store has kept the state from being computed
		if errors.Is(err, store.ErrUnavailable) {
			again = time.After(retryAfter)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}
