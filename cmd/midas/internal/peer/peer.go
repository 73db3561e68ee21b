// Package peer finds the user of the process at the other end of a loopback connection, for protocols
// that do not authenticate the caller.
package peer

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrOtherUser says that a connection came from a process of another or an unknown user.
var ErrOtherUser = errors.New("the connection is not one of this user's processes")

// OwnUser returns a listener that accepts only connections from processes of this process's own user, and
// of root, which can read this process's memory anyway. Other connections end with ErrOtherUser at the
// first read, and report, which may be nil, is called with the reason.
//
// It needs the socket tables of Linux. On other systems it returns l unchanged; see Enforced.
func OwnUser(l net.Listener, report func(error)) net.Listener {
	if !Enforced {
		return l
	}
	return &listener{Listener: l, report: report}
}

type listener struct {
	net.Listener
	report func(error)
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, report: l.report}, nil
}

// conn looks up its peer at the first read and not in Accept, so that it does not delay other connections.
type conn struct {
	net.Conn
	report func(error)
	once   sync.Once
	err    error
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.once.Do(c.check)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

func (c *conn) check() {
	if err := ofOwnUser(c.LocalAddr(), c.RemoteAddr()); err != nil {
		c.err = fmt.Errorf("%w: %w", ErrOtherUser, err)
		_ = c.Close()
		if c.report != nil {
			c.report(c.err)
		}
	}
}
