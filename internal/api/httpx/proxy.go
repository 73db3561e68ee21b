package httpx

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of trusted reverse proxies. The client's address is read from the headers
// X-Forwarded-For (in its de-facto form) and Forwarded (RFC 7239) that they send. Schemes and hosts in these
// headers are ignored, and so are the headers that other peers send. The zero value trusts no proxy.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks in CIDR notation. It refuses a network of all addresses, because
// every client could then choose its own address.
func ParseProxies(texts []string) (Proxies, error) {
	var all Proxies
	for _, text := range texts {
		p, err := parseProxy(text)
		if err != nil {
			return nil, fmt.Errorf("%q %w", text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func parseProxy(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, errors.New("is not an address or a network, such as 192.0.2.1 or 192.0.2.0/24")
	case p.Bits() == 0:
		return netip.Prefix{}, errors.New("contains all addresses, so every client could choose its own address")
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("has bits after the prefix; the network is %s", p.Masked())
	}
	return p, nil
}

// Trusts reports whether a trusted proxy has the address.
func (p Proxies) Trusts(a netip.Addr) bool {
	for _, one := range p {
		if one.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address of the client: the peer's, or, if the peer is a trusted proxy, the last address
// in the chain of hops that is not a trusted proxy's. A hop that hides its address or is not an address ends
// the chain, and the last proxy before it counts as the client.
//
// A client can send a header that its proxy does not process and passes on. So if both headers are present and
// give different addresses, or one cannot be read, both are ignored, and the peer is the client.
func (p Proxies) client(r *http.Request) string {
	peer := hostOf(r.RemoteAddr)
	at, err := netip.ParseAddr(peer)
	if err != nil {
		return peer
	}
	if at = at.Unmap().WithZone(""); !p.Trusts(at) {
		return peer
	}
	forwardedFor, forwarded := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	one, two := at, at
	if len(forwardedFor) > 0 {
		one = p.last(at, splitForwardedFor(forwardedFor))
		two = one
	}
	if len(forwarded) > 0 {
		hops, err := splitForwarded(forwarded)
		if err != nil {
			return peer
		}
		if two = p.last(at, hops); len(forwardedFor) == 0 {
			one = two
		}
	}
	if one != two || one == at {
		return peer
	}
	return one.String()
}

// last returns the last address in a chain of hops that is not a trusted proxy's.
func (p Proxies) last(peer netip.Addr, hops []string) netip.Addr {
	for i := len(hops) - 1; i >= 0 && p.Trusts(peer); i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		peer = hop
	}
	return peer
}

// parseHop reads an address with or without a port. An IPv6 address may be in brackets, and must be if it has
// a port.
func parseHop(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		host, port, bracketed := text, "", false
		if rest, found := strings.CutPrefix(text, "["); found {
			if host, port, bracketed = strings.Cut(rest, "]"); !bracketed {
				return netip.Addr{}, false
			}
		} else if i := strings.IndexByte(text, ':'); i >= 0 {
			host, port = text[:i], text[i:]
		}
		if a, err = netip.ParseAddr(host); err != nil || a.Is6() != bracketed || !isHopPort(port) {
			return netip.Addr{}, false
		}
	}
	if a.Zone() != "" { // zones are local to the proxy's machine
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// isHopPort reports whether a text is empty, or a colon and a port. The port may be an obfuscated one, such as
// "_x" (RFC 7239, 6).
func isHopPort(text string) bool {
	if text == "" {
		return true
	}
	port, found := strings.CutPrefix(text, ":")
	if name, hidden := strings.CutPrefix(port, "_"); hidden {
		return found && name != "" && strings.IndexFunc(name, func(r rune) bool { return !isNameCharacter(r) }) < 0
	}
	return found && port != "" && len(port) <= 5 && strings.Trim(port, "0123456789") == ""
}

func isNameCharacter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// splitForwardedFor returns the hops of X-Forwarded-For headers, the client's first.
func splitForwardedFor(values []string) (hops []string) {
	for _, value := range values {
		for hop := range strings.SplitSeq(value, ",") {
			if hop = strings.Trim(hop, " \t"); hop != "" {
				hops = append(hops, hop)
			}
		}
	}
	return hops
}

// hostOf returns the host of HOST:PORT, or the whole text if it has no port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
