package proxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/host"
)

// Mapping sends the connections to a host to another address: that of a double of a service. TLS passes
// through, so the double needs a certificate for the host.
type Mapping struct {
	host     string // in folded case
	port     string
	children bool   // the mapping is for all names below host, and not for host
	address  string // HOST:PORT of the double
}

// ParseMapping reads HOST[:PORT]=ADDRESS:PORT. The port of the host is 443 if it is left out. A host that
// begins with "*." stands for all names below the rest.
func ParseMapping(text string) (Mapping, error) {
	from, address, found := strings.Cut(text, "=")
	if !found {
		return Mapping{}, fmt.Errorf("%q is not HOST=ADDRESS:PORT", text)
	}
	name, port, err := net.SplitHostPort(from)
	if err != nil {
		name, port = from, "443"
	}
	m := Mapping{port: port, address: address}
	name, m.children = strings.CutPrefix(name, "*.")
	m.host = azure.Name(name)
	switch {
	case !validPort(port) || m.host == "" || strings.ContainsAny(m.host, "*/@ \t"):
		return Mapping{}, fmt.Errorf("%q: %q is not HOST or HOST:PORT", text, from)
	case !m.children && azure.APIOf(m.host) != azure.None:
		return Mapping{}, fmt.Errorf("%q: under midas exec %s is Midas", text, m.host)
	case m.host == metadataHost:
		return Mapping{}, fmt.Errorf("%q: %s is the metadata service, which --as provides", text, m.host)
	case host.IsLoopback(m.host):
		return Mapping{}, fmt.Errorf("%q: programs connect to %s without the proxy", text, m.host)
	}
	to, port, err := net.SplitHostPort(address)
	if err != nil || to == "" || !validPort(port) {
		return Mapping{}, fmt.Errorf("%q: %q is not ADDRESS:PORT, such as 127.0.0.1:8444", text, address)
	}
	if azure.APIOf(to) != azure.None {
		return Mapping{}, fmt.Errorf("%q: the real %s is never reached under midas exec", text, azure.Name(to))
	}
	return m, nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// holds reports whether the mapping is for a host and port.
func (m Mapping) holds(host, port string) bool {
	if port != m.port {
		return false
	}
	if m.children {
		return strings.HasSuffix(host, "."+m.host)
	}
	return host == m.host
}

// checkMappings returns an error if two mappings are for the same host, or if one is for the server itself.
func checkMappings(all []Mapping, endpoint string) error {
	own, _, _ := net.SplitHostPort(endpoint) // without an endpoint, own is empty
	seen := map[Mapping]bool{}
	for _, m := range all {
		if arm.SameName(m.host, own) && !m.children {
			return fmt.Errorf("%s is the server, to which programs connect without the proxy", m.host)
		}
		address := m.address
		m.address = ""
		if seen[m] {
			return fmt.Errorf("%s:%s is mapped twice, the second time to %s", m.host, m.port, address)
		}
		seen[m] = true
	}
	return nil
}

// mapped returns the address to which a host and port are mapped. The first mapping that names the host
// itself wins over those of all names below another.
func mapped(all []Mapping, host, port string) (address string, found bool) {
	name := azure.Name(host)
	for _, m := range all {
		if m.holds(name, port) && (!m.children || !found) {
			address, found = m.address, true
			if !m.children {
				break
			}
		}
	}
	return address, found
}
