package host

import (
	"net/netip"
	"strings"

	"midas/internal/arm"
)

// IsLoopback reports whether a host of a URL or of HOST:PORT, with or without the brackets of an IPv6 address, is this
// machine itself: localhost or a loopback address, as an IPv4 address in IPv6 too. Names below localhost are not, because
// resolvers may ask a server for them (RFC 6761, 6.3), and neither are addresses in other forms, such as 127.1, which only
// some programs read as addresses.
func IsLoopback(name string) bool {
	if bare, ok := strings.CutPrefix(name, "["); ok {
		if name, ok = strings.CutSuffix(bare, "]"); !ok {
			return false
		}
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback() || arm.SameName(strings.TrimSuffix(name, "."), "localhost")
}
