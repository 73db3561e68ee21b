//go:build unix

package control

import "syscall"

// private gives the socket its mode before it has a name, so that there is no moment in which
// others could open it. Where the operating system ignores this, the chmod that follows does it.
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
