package throttle

import (
	"crypto/sha256"
	"net/netip"
)

// MaxName is the longest name that is counted, in bytes: of a user, a client or a tenant. Longer ones
// are refused before anything is counted, hashed or looked up. Names in Entra are shorter.
const MaxName = 256

// Source is where a request comes from, as far as it is counted. Of an IPv6 address only the /64
// counts, because whoever has one address of it has all; its network is the /48, which is what
// providers give to a customer at most. The network of an IPv4 address is its /24. The zero value is
// a source of its own, for calls that no client has made. Sources can be compared.
type Source struct{ address, network place }

// place is a prefix of addresses, or the hash of a text that is no address, in a fixed size.
type place struct {
	bits byte
	at   [16]byte
}

const unknownPlace = 0xff // as bits: at is a hash

// SourceOf names the source of a client's address, without a port. A text that is not an IP address,
// such as "@" of a Unix socket, is a source and a network by itself.
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

// prefix keeps the first bits of an address. IPv4 addresses are told from IPv6 by their mapped form.
func prefix(ip netip.Addr, bits int) place {
	p, _ := ip.Prefix(bits) // bits are never more than the address has
	masked := place{bits: byte(bits), at: p.Addr().As16()}
	if ip.Is4() {
		masked.bits += 96
	}
	return masked
}

// Address is the part of a key that stands for the address: a /64 or one IPv4 address.
func (s Source) Address() string { return s.address.String() }

// Network is the part of a key that stands for the network: a /48 or a /24.
func (s Source) Network() string { return s.network.String() }

// String gives bytes to count under, not a text to show.
func (p place) String() string { return string(append([]byte{p.bits}, p.at[:]...)) }
