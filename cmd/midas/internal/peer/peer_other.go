//go:build !linux

package peer

import "net"

// Enforced says whether OwnUser can tell users apart on this system.
const Enforced = false

func ofOwnUser(net.Addr, net.Addr) error { return nil }
