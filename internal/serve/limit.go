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
	// Shared reports whether an address stands for many clients, as that of a reverse proxy does. Such an
	// address may have as many connections as there are. Nil reports false. It must be set before the first
	// connection.
	Shared func(netip.Addr) bool

	log   *slog.Logger
	each  int
	slots chan struct{} // holds one value for each connection

	mu      sync.Mutex
	by      map[netip.Addr]int
	refused int       // since the last warning
	warned  time.Time // zero before the first
}

// warnEvery is how often it is logged that there are too many connections.
const warnEvery = time.Minute

// NewLimit makes a Limit of so many connections, each of them for one address.
func NewLimit(connections, each int, log *slog.Logger) *Limit {
	return &Limit{log: log, each: each, slots: make(chan struct{}, connections), by: map[netip.Addr]int{}}
}

// Listener gives a listener whose connections count. When there are as many as there may be, further ones
// wait in the system's queue until one ends; those of an address that has its share are closed at once.
func (l *Limit) Listener(inner net.Listener) net.Listener {
	return &listener{Listener: inner, limit: l, closed: make(chan struct{})}
}

// Open tells how many connections there are.
func (l *Limit) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, of := range l.by {
		n += of
	}
	return n
}

// enter counts a connection of a client, unless the client has its share.
func (l *Limit) enter(c net.Conn, from netip.Addr) bool {
	shared := l.Shared != nil && l.Shared(addressOf(c))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[from] >= l.each && !shared {
		l.warn("an address has as many connections as one may have; further ones are closed", slog.String("client", from.String()))
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

// full notes that a listener has to wait.
func (l *Limit) full() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn("there are as many connections as the limit of open files allows; further ones wait", slog.Int("connections", cap(l.slots)))
}

// warn logs once in a while. The caller holds the lock.
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
			_ = tcp.SetLinger(0) // a reset, so that nothing of it stays
		}
		_ = c.Close()
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// clientOf is whom a connection counts for: its address, or the network of 64 bits that a client of IPv6
// can choose addresses from. What has no address is one client.
func clientOf(c net.Conn) netip.Addr {
	address := addressOf(c)
	if address.Is6() && !address.IsLoopback() {
		if network, err := address.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return address
}

// addressOf is the address of a connection's other end; the zero value if it has none.
func addressOf(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// conn ends its count when it is closed, once.
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
