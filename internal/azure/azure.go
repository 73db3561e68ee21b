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
)

// Hosts returns the host names of all APIs, in lower case and sorted.
func Hosts() []string {
	return []string{
		GraphHost, "login.microsoft.com", LoginHost, challengeHost, ManagementHost, "sts.windows.net",
	}
}

// APIOf returns the API of a host name. The host may have a port, as in a request, and is compared without
// case.
func APIOf(host string) API {
	switch Name(host) {
	case ManagementHost:
		return Management
	case GraphHost:
		return Graph
	case LoginHost, challengeHost, "login.microsoft.com", "sts.windows.net":
		return Login
	}
	return None
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
	Management, Login, Graph string

	// Challenge is the origin of the sign-in service in the WWW-Authenticate header of a 401.
	Challenge string
}

// OriginsFor returns the origins for an answer to a request with the given host. If the host is one of Azure's
// names, they are Azure's; otherwise all are the server's own origin.
func OriginsFor(host, own string) Origins {
	if APIOf(host) == None {
		return Origins{Management: own, Login: own, Graph: own, Challenge: own}
	}
	return Origins{
		Management: "https://" + ManagementHost, Login: "https://" + LoginHost, Graph: "https://" + GraphHost,
		Challenge: "https://" + challengeHost,
	}
}
