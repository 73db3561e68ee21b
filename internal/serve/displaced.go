package serve

import "time"

const (
	// pendingGrace is how long a client has at least for its handshake and its first request, if it has few other
	// pending connections.
	pendingGrace = time.Second

	// stallGrace is how long a client has at least to send the body of a request, or to read a part of an answer.
	stallGrace = time.Second

	// maxBurst bounds how many connections a client may open together at the limit of all connections.
	maxBurst = 16

	// maxCompared bounds how many pending connections are compared for each new one.
	maxCompared = 256
)

// displacedFirst returns the connection that a new one displaces, or nil if there is none. A client with more pending
// connections than the burst displaces its own oldest one, so that a client with a few is not displaced by others that
// open many. Else it is one whose pendingGrace is over, else the one that has been idle for longest, else the one whose
// client stalls for longest, and else the oldest of the client with the most pending connections. The caller must hold
// the lock.
func (l *Limit) displacedFirst(now time.Time) *conn {
	most, late := l.pendingOfMost(now)
	switch {
	case most != nil && l.waiting[most.from] > l.burst():
		return most
	case late != nil:
		return late
	}
	if idle := l.longestIdle(); idle != nil {
		return idle
	}
	if stalled := l.longestStalled(now); stalled != nil {
		return stalled
	}
	return most
}

// burst is how many connections a client may open together without displacing its own: browsers open six, and other
// clients one for each of their parallel requests.
func (l *Limit) burst() int { return min(maxBurst, max(1, cap(l.slots)/16)) }

// pendingOfMost returns the oldest pending connection of the client with the most of them, which is nil if each client
// has one, and the same among the connections whose pendingGrace is over. A shared address counts as a client with
// one connection.
func (l *Limit) pendingOfMost(now time.Time) (most, late *conn) {
	highest, highestLate, compared := 1, 0, 0
	for e := l.pending.Front(); e != nil && compared < maxCompared; e, compared = e.Next(), compared+1 {
		c, n := e.Value.(*conn), 1
		if !c.shared {
			n = l.waiting[c.from]
		}
		if n > highest {
			most, highest = c, n
		}
		if n > highestLate && now.Sub(c.accepted) >= pendingGrace {
			late, highestLate = c, n
		}
	}
	return most, late
}

// longestIdle returns the connection that has been idle for longest, or nil if none is idle.
func (l *Limit) longestIdle() (found *conn) {
	var since int64
	for c := range l.open {
		if idle := c.idle.Load(); idle > 0 && (found == nil || idle < since) {
			found, since = c, idle
		}
	}
	return found
}

// longestStalled returns the connection whose client stalls for longest, or nil if none does for stallGrace.
func (l *Limit) longestStalled(now time.Time) (found *conn) {
	before := now.Add(-stallGrace).UnixNano()
	for c := range l.open {
		if since := c.stalled(); since > 0 && since <= before {
			found, before = c, since
		}
	}
	return found
}
