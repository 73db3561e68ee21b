//go:build unix

package control

import "syscall"

// private sets the mode of the socket before the socket has a name, so that other users can never open it.
// Where the operating system ignores this mode, the later chmod in Listen sets it.
func private(_, _ string, c syscall.RawConn) error {
	var err error
	if ctl := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); ctl != nil {
		return ctl
	}
	if err == syscall.EINVAL { // BSDs do not support modes on unnamed sockets
		return nil
	}
	return err
}
