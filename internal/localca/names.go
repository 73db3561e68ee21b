package localca

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"midas/internal/arm"
)

// normalize returns the names in canonical spelling, sorted and without duplicates.
func normalize(names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			if ip.Zone() != "" {
				return nil, fmt.Errorf("%q: a certificate cannot name an address with a zone", n)
			}
			out = append(out, ip.Unmap().String())
			continue
		}
		n = arm.Fold(n)
		if !isHostName(strings.TrimPrefix(n, anyLabel)) {
			return nil, fmt.Errorf("%q is neither a host name nor an IP address", n)
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// anyLabel begins a name that stands for all names with one more label.
const anyLabel = "*."

// constraint is the name constraint that permits a name. It has no star: it permits all names below it too.
func constraint(name string) string { return strings.TrimPrefix(name, anyLabel) }

// isHostName reports whether a certificate can contain a host name: labels of at most 63 letters, digits,
// hyphens and underscores.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// permitted are the names that an authority's certificate permits.
func permitted(cert *x509.Certificate) []string {
	names := slices.Clone(cert.PermittedDNSDomains)
	for _, r := range cert.PermittedIPRanges {
		names = append(names, r.IP.String())
	}
	return names
}

// single is the range with one address.
func single(ip net.IP) *net.IPNet {
	if v4 := ip.To4(); v4 != nil {
		return &net.IPNet{IP: v4, Mask: net.CIDRMask(32, 32)}
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}
}
