package throttle

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrBusy says that too many wait already.
var ErrBusy = errors.New("throttle: too many wait already, try again")

// waitingPerSlot is how many wait for each that runs if nothing else is said.
const waitingPerSlot = 32

// Waiter is who waits in a Queue. Familiar ones take every second turn.
type Waiter struct {
	From     Source
	Familiar bool // the source is one from which the user has signed in before
}

// Queue lets Slots run at once; of the others at most Waiting wait, and the rest get ErrBusy. The zero
// value is ready. It is safe for concurrent use, and not to be copied.
//
// Whoever waits is served in turns: the networks one after the other, in each network its addresses one
// after the other, and at each address in the order of arrival. Familiar sources and others alternate.
// So who waits first at its network is served after at most two for each network that waits. When there
// is no room, the newest of the address and network with the most waiters is turned away.
type Queue struct {
	Slots   int // 0 means as many as there are cores
	Waiting int // 0 means 32 for each slot

	mu       sync.Mutex
	running  int
	familiar line
	others   line
	turn     bool // the next is one of others
}

// waiting is one that waits. served gets true when it may run, false when it is turned away.
type waiting struct {
	Waiter
	served chan bool
}

// Acquire waits until the caller may run; then release must be called. The error is ErrBusy or that of
// ctx.
func (q *Queue) Acquire(ctx context.Context, by Waiter) (release func(), err error) {
	w := &waiting{Waiter: by, served: make(chan bool, 1)}
	q.enter(w)
	select {
	case ok := <-w.served:
		if !ok {
			return nil, ErrBusy
		}
		return sync.OnceFunc(q.next), nil
	case <-ctx.Done():
		q.leave(w)
		return nil, ctx.Err()
	}
}

// enter serves a newcomer at once or lets it wait, and turns one away if there is no room.
func (q *Queue) enter(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running < q.slots() { // then nobody waits
		q.running++
		w.served <- true
		return
	}
	q.line(w).push(w)
	if q.familiar.len()+q.others.len() <= q.most() {
		return
	}
	longer := &q.others
	if q.familiar.len() > q.others.len() {
		longer = &q.familiar
	}
	longer.turnAway(w).served <- false
}

// leave takes out one that no longer waits, and gives on what it was given meanwhile.
func (q *Queue) leave(w *waiting) {
	q.mu.Lock()
	gone := q.line(w).remove(w)
	q.mu.Unlock()
	if !gone && <-w.served {
		q.next()
	}
}

// next gives the caller's slot to whose turn it is.
func (q *Queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := &q.familiar
	if line.len() == 0 || q.turn && q.others.len() > 0 {
		line = &q.others
	}
	q.turn = line == &q.familiar
	if line.len() == 0 {
		q.running--
		return
	}
	line.pop().served <- true
}

// Len is how many wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.familiar.len() + q.others.len()
}

func (q *Queue) line(w *waiting) *line {
	if w.Familiar {
		return &q.familiar
	}
	return &q.others
}

func (q *Queue) slots() int {
	if q.Slots > 0 {
		return q.Slots
	}
	return runtime.GOMAXPROCS(0)
}

func (q *Queue) most() int {
	if q.Waiting > 0 {
		return q.Waiting
	}
	return waitingPerSlot * q.slots()
}
