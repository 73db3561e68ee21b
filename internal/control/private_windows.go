package control

import "syscall"

// private has nothing to do: the folder's access list holds for the socket too.
func private(_, _ string, _ syscall.RawConn) error { return nil }
