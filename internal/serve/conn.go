package serve

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a counted connection. The first Close ends its count.
type conn struct {
	net.Conn
	limit    *Limit
	from     netip.Addr
	shared   bool // many clients share the address
	accepted time.Time
	pending  *list.Element // in limit.pending, under the limit's lock; nil after the first request
	once     sync.Once

	// idle is when the connection became idle, in nanoseconds since 1970. It is 0 until the first request was
	// read, and working during a request.
	idle atomic.Int64

	bodies    atomic.Int32 // the number of requests whose bodies were not read to their ends yet
	bodySince atomic.Int64 // when the first of them began, or another ended, in nanoseconds since 1970
	drained   atomic.Bool  // the handler has left a body, whose rest the server reads
	writing   atomic.Int64 // when the Write began that has not returned, in nanoseconds since 1970; 0 if there is none
}

const working = -1

func (l *Limit) newConn(inner net.Conn) *conn {
	shared := l.Shared != nil && l.Shared(addressOf(inner))
	return &conn{Conn: inner, limit: l, from: clientOf(inner), shared: shared, accepted: time.Now()}
}

// NetConn returns the connection below, as that of tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Store(time.Now().UnixNano())
	defer c.writing.Store(0)
	return c.Conn.Write(b)
}

// stalled returns since when the server waits for the client during a request, in nanoseconds since 1970: for the
// rest of a body, or until a part of an answer is read. It returns 0 if the server does not wait.
func (c *conn) stalled() int64 {
	if since := c.writing.Load(); since > 0 {
		return since
	}
	if c.bodies.Load() > 0 {
		return c.bodySince.Load()
	}
	return 0
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.limit.remove(c) })
	return err
}

// reset closes the connection without leaving a TIME_WAIT state.
func (c *conn) reset() {
	resetConn(c.Conn)
	_ = c.Close() // its error would say that the connection is closed
}

// resetConn closes a connection without leaving a TIME_WAIT state.
func resetConn(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// track returns a ConnState hook that tells a Limit which of its connections are at work. An HTTP server calls
// it for StateActive when it has read the header of a request, so a client that sends a handshake or a header
// slowly stays pending.
func track(next func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		if counted := countedConn(c); counted != nil {
			switch state {
			case http.StateActive, http.StateHijacked:
				if counted.idle.Swap(working) == 0 {
					counted.limit.settle(counted)
				}
			case http.StateIdle:
				if counted.drained.Swap(false) {
					counted.endBody()
				}
				counted.idle.Store(time.Now().UnixNano())
			}
		}
		if next != nil {
			next(c, state)
		}
	}
}

// countedConn finds the counted connection below TLS. It returns nil if the connection is not counted.
func countedConn(c net.Conn) *conn {
	for {
		switch inner := c.(type) {
		case *conn:
			return inner
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return nil
		}
	}
}
