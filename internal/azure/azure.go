// Package azure knows the host names of Azure's global cloud, and which API of Midas stands for each.
// "midas exec" directs these names to a server, which has certificates for them. An answer to a request
// for one of these names has URLs with these names, as Azure's answers do: the client does not know the
// server's own origin.
package azure

import (
	"strings"

	"midas/internal/arm"
)

// The hosts that answers refer to.
const (
	ManagementHost = "management.azure.com"
	LoginHost      = "login.microsoftonline.com"
	GraphHost      = "graph.microsoft.com"

	// challengeHost is the older name of LoginHost, which Azure Resource Manager gives to clients
	// that come without a token.
	challengeHost = "login.windows.net"
)

// API is an API of Azure that Midas provides.
type API int

// The APIs. None is for all other host names.
const (
	None API = iota
	Management
	Login
	Graph
)

// Hosts are the host names of all APIs, in lower case, sorted.
func Hosts() []string {
	return []string{
		GraphHost, "login.microsoft.com", LoginHost, challengeHost, ManagementHost, "sts.windows.net",
	}
}

// APIOf gives the API that a host name belongs to. The host may have a port, as in a request, and any
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

// Name is a host without its port, its brackets and its final dot, folded.
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

	// Challenge is the sign-in service as a 401 names it.
	Challenge string
}

// OriginsFor are the origins to show to a client that has reached the server under a host: Azure's
// names if that is one of them, else the server's own origin for all.
func OriginsFor(host, own string) Origins {
	if APIOf(host) == None {
		return Origins{Management: own, Login: own, Graph: own, Challenge: own}
	}
	return Origins{
		Management: "https://" + ManagementHost, Login: "https://" + LoginHost, Graph: "https://" + GraphHost,
		Challenge: "https://" + challengeHost,
	}
}
