package throttle

import (
	"crypto/sha256"
	"net/netip"
)

// MaxName is the longest name of a user, a client or a tenant in a key, in bytes. Callers refuse longer
// names before they count, hash or look up anything. Names in Entra are shorter.
const MaxName = 256

// Source is the origin of a request for the limits. The address of an IPv6 client is its /64, because a
// client can use all addresses of it; its network is the /48, the largest prefix that providers assign to a
// customer. The network of an IPv4 address is its /24. The zero value is a separate source, for calls
// without a client. Sources are comparable.
type Source struct{ address, network place }

// place is a prefix of addresses, or the hash of a text that is not an address, in a fixed size.
type place struct {
	bits byte
	at   [16]byte
}

const unknownPlace = 0xff // as bits: at is a hash

// SourceOf is the source of a client's address, which has no port. A text that is not an IP address, such
// as "@" of a Unix socket, is a source and a network of its own.
func SourceOf(address string) Source {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		sum := sha256.Sum256([]byte(address))
		p := place{bits: unknownPlace}
		copy(p.at[:], sum[:])
		return Source{p, p}
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return Source{prefix(ip, 32), prefix(ip, 24)}
	}
	return Source{prefix(ip, 64), prefix(ip, 48)}
}

// prefix is the first bits of an address. IPv4 addresses are stored in their IPv4-mapped form.
func prefix(ip netip.Addr, bits int) place {
	p, _ := ip.Prefix(bits) // bits are never more than the address has
	masked := place{bits: byte(bits), at: p.Addr().As16()}
	if ip.Is4() {
		masked.bits += 96
	}
	return masked
}

// Address is the part of a key for the address: a /64 or one IPv4 address.
func (s Source) Address() string { return s.address.String() }

// Network is the part of a key for the network: a /48 or a /24.
func (s Source) Network() string { return s.network.String() }

// String returns the place for a key, as binary data.
func (p place) String() string { return string(append([]byte{p.bits}, p.at[:]...)) }
