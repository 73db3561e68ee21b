//go:build unix

package control

import "syscall"

// private sets the mode of the socket before the socket has a name, so that other users can open it at no
// time. Where the operating system ignores this, the chmod that follows sets the mode.
func private(_, _ string, c syscall.RawConn) error {
	var err error
	if ctl := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); ctl != nil {
		return ctl
	}
	if err == syscall.EINVAL { // BSDs have no modes on unnamed sockets
		return nil
	}
	return err
}
