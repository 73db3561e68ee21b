package directory

import (
	"net/netip"
	"net/url"
	"strings"

	"midas/internal/arm"
)

// SafeRedirect reports whether a redirect URI is absolute, without user and fragment, in characters that
// all browsers parse in the same way, and of no scheme whose content a browser would show or run in the
// server's origin.
func SafeRedirect(uri string) bool {
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || !PlainScheme(u.Scheme) {
		return false
	}
	switch arm.Fold(u.Scheme) {
	case "javascript", "data", "vbscript", "blob", "file", "about", "filesystem", "view-source", "ws", "wss", "ftp", "mailto", "urn":
		return false
	case "http", "https":
		return u.Opaque == "" && (PlainHost(u.Host) || plainIPv6(u.Host))
	}
	return true
}

// PlainScheme reports whether a URI's scheme has the form that RFC 3986, 3.1, gives it.
func PlainScheme(scheme string) bool {
	for i, c := range []byte(scheme) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return scheme != ""
}

// PlainHost reports whether a URI's host, with or without a port, is a name or an IPv4 address in letters,
// digits, hyphens, underscores and dots. RFC 3986 allows more characters, but ; and , and ' are
// separators and quotes in policies and headers, and host names do not contain them.
func PlainHost(host string) bool {
	name, port, found := strings.Cut(host, ":")
	if found && !plainPort(port) {
		return false
	}
	for _, c := range []byte(name) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return name != ""
}

func plainPort(port string) bool {
	for _, c := range []byte(port) {
		if c < '0' || '9' < c {
			return false
		}
	}
	return port != "" && len(port) <= 5
}

// plainIPv6 reports whether a URI's host, with or without a port, is an IPv6 address without a zone.
func plainIPv6(host string) bool {
	address, port, bracket := strings.Cut(strings.TrimPrefix(host, "["), "]")
	if !bracket || host[0] != '[' || port != "" && (port[0] != ':' || !plainPort(port[1:])) {
		return false
	}
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Is6() && ip.Zone() == ""
}
