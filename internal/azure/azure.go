// Package azure has the host names of Azure's global cloud and the API of Midas that serves each. "midas exec"
// directs these names to a server, which has certificates for them. The answer to a request for one of these
// names has URLs with these names, as Azure's answers do, because the client cannot reach the server under its
// own origin.
package azure

import (
	"strings"

	"midas/internal/arm"
)

// The hosts that appear in answers.
const (
	ManagementHost = "management.azure.com"
	LoginHost      = "login.microsoftonline.com"
	GraphHost      = "graph.microsoft.com"

	// challengeHost is the older name of LoginHost. Azure Resource Manager names it in WWW-Authenticate
	// when a request has no token.
	challengeHost = "login.windows.net"
)

// API is an API of Azure that Midas provides.
type API int

// The APIs. None means that a host name is not one of Azure's.
const (
	None API = iota
	Management
	Login
	Graph
	Authorization // checkAccess, at a host for each region
)

// regions is the end of the host names of Authorization, which begin with the name of a region.
const regions = ".authorization.azure.net"

// Hosts returns the host names of all APIs, in lower case and sorted. A name that begins with "*." stands for all
// names with one label in place of the star.
func Hosts() []string {
	return []string{
		"*" + regions,
		GraphHost, "login.microsoft.com", LoginHost, challengeHost, ManagementHost, "sts.windows.net",
	}
}

// APIOf returns the API of a host name. The host may have a port, as in a request, and is compared without
// case.
func APIOf(host string) API {
	name := Name(host)
	switch name {
	case ManagementHost:
		return Management
	case GraphHost:
		return Graph
	case LoginHost, challengeHost, "login.microsoft.com", "sts.windows.net":
		return Login
	}
	if region, found := strings.CutSuffix(name, regions); found && (isLabel(region)) {
		return Authorization
	}
	return None
}

// isLabel reports whether a text is one label of a host name, in folded case.
func isLabel(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// Name returns the name of a host without its port, its brackets and its final dot, in folded case.
func Name(host string) string {
	if bracketed, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(bracketed, "]")
	} else if name, port, found := strings.Cut(host, ":"); found && !strings.Contains(port, ":") {
		host = name // with more colons it is an IPv6 address
	}
	return arm.Fold(strings.TrimSuffix(host, "."))
}

// Origins are the origins of the APIs, each without a final slash.
type Origins struct {
	Management, Login, Graph, Authorization string

	// Challenge is the origin of the sign-in service in the WWW-Authenticate header of a 401.
	Challenge string
}

// OriginsFor returns the origins for an answer to a request with the given host. If the host is one of Azure's
// names, they are Azure's; otherwise all are the server's own origin.
func OriginsFor(host, own string) Origins {
	if APIOf(host) == None {
		return Origins{Management: own, Login: own, Graph: own, Authorization: own, Challenge: own}
	}
	o := Origins{
		Management: "https://" + ManagementHost, Login: "https://" + LoginHost, Graph: "https://" + GraphHost,
		Authorization: "https://eastus" + regions, Challenge: "https://" + challengeHost,
	}
	if APIOf(host) == Authorization {
		o.Authorization = "https://" + Name(host)
	}
	return o
}
