package throttle

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrBusy means that the queue is full.
var ErrBusy = errors.New("throttle: too many wait already, try again")

// waitingPerSlot is the default number of waiters for each slot.
const waitingPerSlot = 32

// Waiter identifies a client in a Queue. Familiar sources take every second turn.
type Waiter struct {
	From     Source
	Familiar bool // the source is one from which the user has signed in before
}

// Queue lets Slots callers run concurrently and at most Waiting callers wait; the others get ErrBusy. The
// zero value is ready. It is safe for concurrent use and must not be copied.
//
// Waiters are served in turns: network by network, in each network address by address, and at each address
// in the order of arrival. Familiar sources and others alternate. So the first waiter of a network is
// served after at most two of each other network. If the queue is full, the newest waiter of the address
// and network with the most waiters gets ErrBusy.
type Queue struct {
	Slots   int // 0 means as many as there are cores
	Waiting int // 0 means 32 for each slot

	mu       sync.Mutex
	running  int
	familiar line
	others   line
	turn     bool // the next turn is that of others
}

// waiting is a waiter in the queue. served receives true when it may run, and false when it is turned away.
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

// enter lets a newcomer run or wait, and turns a waiter away if the queue is full.
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

// leave removes a waiter whose context has ended, and passes on the slot if it has got one meanwhile.
func (q *Queue) leave(w *waiting) {
	q.mu.Lock()
	gone := q.line(w).remove(w)
	q.mu.Unlock()
	if !gone && <-w.served {
		q.next()
	}
}

// next passes the caller's slot to the waiter whose turn it is.
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

// Len is the number of waiters.
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
