package control

import "syscall"

// private does nothing, because the access list of the folder applies to the socket too.
func private(_, _ string, _ syscall.RawConn) error { return nil }
