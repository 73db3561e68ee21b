// Package peer tells whose process is at the other end of a loopback connection, for protocols that
// prove nothing about the caller.
package peer

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrOtherUser says that a connection came from a process of another user, or from nobody knows whom.
var ErrOtherUser = errors.New("the connection is not one of this user's processes")

// OwnUser gives a listener whose connections can only be read when they come from a process of this
// process's own user, or of root, which can read this process anyway. Others end with ErrOtherUser at
// the first read, and report, which may be nil, is told the reason.
//
// It needs the socket tables of Linux. On other systems it gives the listener as it is: see Enforced.
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

// conn looks up its peer at the first read, so that looking does not hold up those who come after it.
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
