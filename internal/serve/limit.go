package serve

import (
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
	by      map[netip.Addr]int // open connections by client
	refused int                // connections that waited or were closed since the last warning
	warned  time.Time          // when the last warning was logged; zero before the first
}

// warnEvery is the shortest time between two warnings about too many connections.
const warnEvery = time.Minute

// NewLimit makes a Limit of the number of all connections and of the number of connections of each address.
func NewLimit(connections, each int, log *slog.Logger) *Limit {
	return &Limit{log: log, each: each, slots: make(chan struct{}, connections), by: map[netip.Addr]int{}}
}

// Listener returns a listener whose connections are counted. When all connections are in use, further ones
// wait in the operating system's queue until one ends. A connection of an address that has reached the limit
// of one address is closed at once.
func (l *Limit) Listener(inner net.Listener) net.Listener {
	return &listener{Listener: inner, limit: l, closed: make(chan struct{})}
}

// Open returns the number of open connections.
func (l *Limit) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, of := range l.by {
		n += of
	}
	return n
}

// enter counts a connection of a client. It reports false if the client has reached the limit of one address.
func (l *Limit) enter(c net.Conn, from netip.Addr) bool {
	shared := l.Shared != nil && l.Shared(addressOf(c))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[from] >= l.each && !shared {
		l.warn("a client address has reached its limit of connections; further ones are closed", slog.String("client", from.String()))
		return false
	}
	l.by[from]++
	return true
}

func (l *Limit) leave(from netip.Addr) {
	l.mu.Lock()
	if l.by[from]--; l.by[from] <= 0 {
		delete(l.by, from)
	}
	l.mu.Unlock()
	<-l.slots
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
	select {
	case l.limit.slots <- struct{}{}:
	default:
		l.limit.full()
		select {
		case l.limit.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.limit.slots
			return nil, err
		}
		from := clientOf(c)
		if l.limit.enter(c, from) {
			return &conn{Conn: c, limit: l.limit, from: from}, nil
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // resets the connection, so that it leaves no TIME_WAIT state
		}
		_ = c.Close()
	}
}

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

// conn is a counted connection. The first Close ends its count.
type conn struct {
	net.Conn
	limit *Limit
	from  netip.Addr
	once  sync.Once
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.limit.leave(c.from) })
	return err
}
