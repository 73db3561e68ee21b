package agent

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxServers bounds the servers that an operator names, and separately those that the agent has learnt.
	maxServers = 16
	// maxServerURL is the length of the longest URL of a server, in bytes.
	maxServerURL = 256
)

// ParseServers reads the URLs of the servers of one installation, each https://HOST[:PORT], from texts that have one or
// several of them, separated by commas. The first one is the preferred server.
func ParseServers(texts ...string) ([]string, error) {
	var all []string
	for _, text := range strings.Split(strings.Join(texts, ","), ",") {
		server, err := parseServer(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, server) {
			all = append(all, server)
		}
	}
	if len(all) > maxServers {
		return nil, fmt.Errorf("%d servers are more than %d", len(all), maxServers)
	}
	return all, nil
}

// parseServer checks the URL of a server. It has nothing after the port: requests append their path to it.
func parseServer(text string) (string, error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), "/")
	u, err := url.Parse(text)
	if err != nil || len(text) > maxServerURL || u.Hostname() == "" || text != "https://"+u.Host || u.Port() == "" && strings.HasSuffix(text, ":") {
		return "", fmt.Errorf("the server %.300q is not https://HOST[:PORT]", text)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("the server %.300q is not https://HOST[:PORT]", text)
		}
	}
	return text, nil
}

// learnable returns those of the URLs that an agent may learn, at most maxServers. A server is believed about its
// replicas only as far as it can do no harm: they are URLs of servers and nothing else, none of them is one that the
// operator has named, and none leads back to this machine, unless the operator has named such a server.
func learnable(urls, configured []string) []string {
	var all []string
	local := slices.ContainsFunc(configured, isLocal)
	for _, text := range urls {
		server, err := parseServer(text)
		if err != nil || slices.Contains(configured, server) || slices.Contains(all, server) || isLocal(server) && !local {
			continue
		}
		if all = append(all, server); len(all) == maxServers {
			break
		}
	}
	return all
}

// learnt is what an agent has learnt of the installation from its servers.
type learnt struct {
	Servers []string `json:"servers"`

	// Name is the host name of the installation, for which all replicas have a certificate; empty if it is not known.
	Name string `json:"name,omitempty"`
}

// checked returns what may be used beside the servers that the operator has named.
func (l learnt) checked(configured []string) learnt {
	if _, err := parseServer("https://" + l.Name); err != nil || strings.Contains(l.Name, ":") {
		l.Name = ""
	}
	l.Servers = learnable(l.Servers, configured)
	return l
}

// same reports whether two agents with the same servers would know the same.
func (l learnt) same(as learnt) bool {
	return l.Name == as.Name && slices.Equal(slices.Sorted(slices.Values(l.Servers)), slices.Sorted(slices.Values(as.Servers)))
}

// isLocal reports whether a URL of parseServer names this machine, or no machine.
func isLocal(server string) bool {
	name := hostOf(server)
	if ip, err := netip.ParseAddr(name); err == nil {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// hostOf returns the host of a URL of parseServer, without brackets.
func hostOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
