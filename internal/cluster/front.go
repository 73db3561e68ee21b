//go:build cluster

package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The bounds of connections that have not shown a member's certificate yet.
const (
	handshakeTime    = 5 * time.Second
	maxHandshakes    = 64 // of all addresses
	maxHandshakesOf  = 8  // of one address
	forwardWriteTime = 5 * time.Second
)

// front is the listener for other members. etcd does not bound the connections to its own one, so strangers could use up
// the files of the process. The front authenticates each connection first, and hands those of members to
// etcd, which listens on a socket that only this user can open.
type front struct {
	listener net.Listener
	config   *tls.Config
	log      *slog.Logger
	socket   string // the path of etcd's socket
	made     string // the folder that was made for it; empty if it is in the member's folder

	mu      sync.Mutex
	closed  bool
	waiting map[netip.Addr][]net.Conn // connections before the end of their handshakes by address, oldest first
	open    map[net.Conn]struct{}     // connections of members
	done    sync.WaitGroup
}

// newFront listens for members, and accepts nobody before serve.
func newFront(f folder, address string, log *slog.Logger) (*front, error) {
	config, err := f.serverTLS()
	if err != nil {
		return nil, err
	}
	r := &front{config: config, log: log, socket: f.path("peers.sock"), waiting: map[netip.Addr][]net.Conn{}, open: map[net.Conn]struct{}{}}
	if len(r.socket) > 100 { // the operating system bounds the paths of sockets
		if r.made, err = os.MkdirTemp("", "midas"); err != nil {
			return nil, fmt.Errorf("make a folder for a socket: %w", err)
		}
		r.socket = filepath.Join(r.made, "peers.sock")
	}
	if r.listener, err = net.Listen("tcp", address); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// serve accepts connections until close.
func (r *front) serve() {
	r.done.Go(func() {
		for {
			conn, err := r.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // such as too many open files
				time.Sleep(50 * time.Millisecond)
				continue
			}
			if !r.enter(conn) {
				_ = conn.Close()
				continue
			}
			r.done.Go(func() { r.handle(conn) })
		}
	})
}

// enter counts a connection that has not shown a certificate. If there are too many of its address, or of all addresses
// together, the oldest one of the address that has the most is closed: a member's handshake takes a moment.
func (r *front) enter(conn net.Conn) bool {
	from := address(conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if len(r.waiting[from]) >= maxHandshakesOf {
		r.displace(from)
	} else if r.count() >= maxHandshakes {
		r.displace(r.busiest())
	}
	r.waiting[from] = append(r.waiting[from], conn)
	return true
}

// displace closes the oldest connection of an address. The caller must hold mu.
func (r *front) displace(from netip.Addr) {
	_ = r.waiting[from][0].Close()
	r.forget(from, r.waiting[from][0])
}

// forget removes a connection from the waiting ones. The caller must hold mu.
func (r *front) forget(from netip.Addr, conn net.Conn) {
	rest := slices.DeleteFunc(r.waiting[from], func(other net.Conn) bool { return other == conn })
	if r.waiting[from] = rest; len(rest) == 0 {
		delete(r.waiting, from)
	}
}

// count is the number of waiting connections. The caller must hold mu.
func (r *front) count() (n int) {
	for _, of := range r.waiting {
		n += len(of)
	}
	return n
}

// busiest is the address with the most waiting connections. The caller must hold mu.
func (r *front) busiest() (most netip.Addr) {
	for from, of := range r.waiting {
		if len(of) > len(r.waiting[most]) {
			most = from
		}
	}
	return most
}

func address(conn net.Conn) netip.Addr {
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return from.Addr().Unmap()
}

// handle authenticates a connection, and forwards it to etcd.
func (r *front) handle(conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	secured := tls.Server(conn, r.config)
	err := secured.HandshakeContext(ctx)
	cancel()
	if !r.settle(conn, err == nil) {
		if err != nil {
			r.log.Debug("a connection to the port for members was refused", "from", conn.RemoteAddr().String(), "cause", err)
		}
		return
	}
	defer r.leave(conn)
	inner, err := net.Dial("unix", r.socket)
	if err != nil {
		return // etcd ends
	}
	defer inner.Close()
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(inner, secured)
		_ = inner.Close()
	})
	_, _ = io.Copy(deadlined{secured}, inner)
	_ = conn.Close()
	copying.Wait()
}

// settle ends the handshake of a connection. It reports whether the connection is one of a member, and goes on.
func (r *front) settle(conn net.Conn, member bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(address(conn), conn)
	if !member || r.closed {
		return false
	}
	r.open[conn] = struct{}{}
	return true
}

func (r *front) leave(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, conn)
}

// close ends all connections.
func (r *front) close() {
	r.mu.Lock()
	r.closed = true
	for _, of := range r.waiting {
		for _, conn := range of {
			_ = conn.Close()
		}
	}
	for conn := range r.open {
		_ = conn.Close()
	}
	r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close()
	}
	r.done.Wait()
	if r.made != "" {
		_ = os.RemoveAll(r.made)
	}
}

// deadlined bounds each write, so that a member that is gone does not hold up etcd.
type deadlined struct{ net.Conn }

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(forwardWriteTime)); err != nil {
		return 0, err
	}
	return d.Conn.Write(p)
}
