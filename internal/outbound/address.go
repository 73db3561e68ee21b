package outbound

import (
	"fmt"
	"net/netip"
)

// ranges is a list of networks and the reason for which their addresses are refused.
type ranges struct {
	reason   string
	networks []netip.Prefix
}

// AddressError means that a connection was refused because of its address.
type AddressError struct {
	Address netip.Addr
	Reason  string // such as "a loopback address"
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("the address %s is %s, which is not allowed", e.Address, e.Reason)
}

// CheckAddress returns an *AddressError if a Client does not connect to an address. With private, the addresses of
// the host itself and of private networks are allowed. Metadata services, link-local addresses and all addresses
// that no server has are never allowed.
func CheckAddress(addr netip.Addr, private bool) error {
	if !addr.IsValid() || addr.Zone() != "" {
		return &AddressError{addr, "not a plain address"}
	}
	plain := addr.Unmap()
	if nat64.Contains(plain) { // the gateway of an IPv6 network connects to the IPv4 address in the last 32 bits
		raw := plain.As16()
		plain = netip.AddrFrom4([4]byte(raw[12:]))
	}
	if reason := findReason(neverRanges, plain); reason != "" {
		return &AddressError{addr, reason}
	}
	if reason := findReason(privateRanges, plain); reason != "" {
		if private {
			return nil
		}
		return &AddressError{addr, reason}
	}
	if plain.Is6() && !globalUnicast.Contains(plain) {
		return &AddressError{addr, "not a global address"}
	}
	return nil
}

func findReason(all []ranges, addr netip.Addr) string {
	for _, r := range all {
		for _, network := range r.networks {
			if network.Contains(addr) {
				return r.reason
			}
		}
	}
	return ""
}
