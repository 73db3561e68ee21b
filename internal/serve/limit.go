package serve

import (
	"container/list"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limit bounds the connections of several listeners together, and those of each address. It is safe for
// concurrent use.
type Limit struct {
	// Shared reports whether many clients share an address, such as that of a reverse proxy. The limit of one
	// address does not apply to such an address. Nil means that no address is shared. Shared must be set
	// before the first connection.
	Shared func(netip.Addr) bool

	log   *slog.Logger
	each  int
	slots chan struct{} // holds one value for each connection

	mu      sync.Mutex
	open    map[*conn]struct{}
	pending list.List          // those of open that have not sent a request yet, oldest first
	waiting map[netip.Addr]int // the number of pending connections by client
	by      map[netip.Addr]int // open connections by client
	refused int                // connections that waited, or were closed for others, since the last warning
	warned  time.Time          // when the last warning was logged; zero before the first
}

// warnEvery is the shortest time between two warnings about too many connections.
const warnEvery = time.Minute

// NewLimit makes a Limit of the number of all connections and of the number of connections of each address.
func NewLimit(connections, each int, log *slog.Logger) *Limit {
	return &Limit{
		log: log, each: each, slots: make(chan struct{}, connections), open: map[*conn]struct{}{}, waiting: map[netip.Addr]int{}, by: map[netip.Addr]int{},
	}
}

// Listener returns a listener whose connections are counted. A connection of an address that has reached the
// limit of one address is closed at once. When all connections are in use, a further one displaces one that has
// not sent a request yet, or is idle, or whose client stalls (see displacedFirst). If there is none, it waits. A
// Server tells the Limit which connections are at work.
func (l *Limit) Listener(inner net.Listener) net.Listener {
	return &listener{Listener: inner, limit: l, closed: make(chan struct{})}
}

// Open returns the number of open connections.
func (l *Limit) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// enter counts a connection of a client. It reports false if the client has reached the limit of one address.
func (l *Limit) enter(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[c.from] >= l.each && !c.shared {
		l.warn("a client address has reached its limit of connections; further ones are closed", slog.String("client", c.from.String()))
		return false
	}
	l.by[c.from]++
	return true
}

// add counts a connection that enter has let in and that has a slot.
func (l *Limit) add(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	c.pending = l.pending.PushBack(c)
	l.waiting[c.from]++
}

// settle says that a connection has sent its first request.
func (l *Limit) settle(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unqueue(c)
}

// unqueue removes a connection from the pending ones. The caller must hold the lock.
func (l *Limit) unqueue(c *conn) {
	if c.pending == nil {
		return
	}
	l.pending.Remove(c.pending)
	c.pending = nil
	if l.waiting[c.from]--; l.waiting[c.from] <= 0 {
		delete(l.waiting, c.from)
	}
}

// leave ends the count of a client's connection.
func (l *Limit) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[from]--; l.by[from] <= 0 {
		delete(l.by, from)
	}
}

// remove gives the slot of a connection back.
func (l *Limit) remove(c *conn) {
	l.leave(c.from)
	l.mu.Lock()
	delete(l.open, c)
	l.unqueue(c)
	l.mu.Unlock()
	<-l.slots
}

// displace closes the connection that a new one displaces, and reports whether there is one.
func (l *Limit) displace() bool {
	l.mu.Lock()
	displaced := l.displacedFirst(time.Now())
	if displaced != nil {
		l.warn("the limit of connections is reached; those that wait for their client are closed for new ones", slog.Int("connections", cap(l.slots)))
	}
	l.mu.Unlock()
	if displaced == nil {
		return false
	}
	displaced.reset()
	return true
}

// full warns that a listener waits for a connection to end.
func (l *Limit) full() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn("the limit of connections is reached; further ones wait", slog.Int("connections", cap(l.slots)))
}

// warn logs a warning, at most one in each warnEvery. The caller must hold the lock.
func (l *Limit) warn(text string, about slog.Attr) {
	l.refused++
	if now := time.Now(); now.Sub(l.warned) >= warnEvery {
		l.log.Warn(text, about, slog.Int("times", l.refused))
		l.warned, l.refused = now, 0
	}
}

type listener struct {
	net.Listener
	limit  *Limit
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := l.limit.newConn(inner)
		if !l.limit.enter(c) {
			resetConn(inner)
			continue
		}
		if !l.take() {
			l.limit.leave(c.from)
			resetConn(inner)
			return nil, net.ErrClosed
		}
		l.limit.add(c)
		return c, nil
	}
}

// take takes a slot for an accepted connection. It reports false if the listener is closed before one is free.
func (l *listener) take() bool {
	for {
		select {
		case l.limit.slots <- struct{}{}:
			return true
		default:
		}
		if !l.limit.displace() {
			break
		}
	}
	l.limit.full()
	retry := time.NewTicker(displaceEvery)
	defer retry.Stop()
	for {
		select {
		case l.limit.slots <- struct{}{}:
			return true
		case <-retry.C:
			l.limit.displace() // a connection may have become idle, or its grace has ended
		case <-l.closed:
			return false
		}
	}
}

// displaceEvery is how often a connection that waits for a slot looks for one that it can displace.
const displaceEvery = 50 * time.Millisecond

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// clientOf returns the client to which a connection is counted: the address of an IPv4 connection, and the /64
// network of an IPv6 one, because an IPv6 client can choose any address in its network. All connections without
// an address are counted to the zero value.
func clientOf(c net.Conn) netip.Addr {
	address := addressOf(c)
	if address.Is6() && !address.IsLoopback() {
		if network, err := address.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return address
}

// addressOf returns the remote address of a connection, or the zero value if it has none.
func addressOf(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}
