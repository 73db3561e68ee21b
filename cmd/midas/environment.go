package main

import (
	"cmp"
	"net"
	"os"
	"strings"

	"midas/internal/client"
)

// variable is an environment variable.
type variable struct{ name, value string }

// variables are the addresses, ids and credentials of a server and its administrator, for tools.
func variables(admin *client.Client) []variable {
	all := []variable{
		{"MIDAS_ENDPOINT", admin.Endpoint},
		{"MIDAS_TENANT_ID", admin.TenantID},
		{"MIDAS_SUBSCRIPTION_ID", admin.SubscriptionID},
		{"MIDAS_CLIENT_ID", admin.ClientID},
		{"MIDAS_CLIENT_SECRET", string(admin.ClientSecret)},
		{"MIDAS_CA", admin.CAFile},
	}
	if admin.UserName != "" {
		all = append(all, variable{"MIDAS_USER_NAME", admin.UserName}, variable{"MIDAS_USER_PASSWORD", string(admin.UserPassword)})
	}
	return all
}

// environment has the values of the variables that midas exec sets for its command.
type environment struct {
	admin    *client.Client
	proxy    string // URL of the proxy
	roots    string // file of all certificates to trust
	java     string // options for java
	azure    string // Azure CLI's folder; empty if AZURE_CONFIG_DIR stays as it is
	program  string // path of this program
	internet bool
	agent    workload
}

// apply returns base with the variables that make the command use the server, and without the variables
// that would make it use another proxy.
func (s environment) apply(base []string) []string {
	set := s.agent.withoutAdministrator(append(variables(s.admin), variable{"MIDAS_DATA", s.admin.Data}))
	set = append(set, s.agent.variables...)
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		set = append(set, variable{name, s.proxy})
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		set = append(set, variable{name, s.direct()})
	}
	// OpenSSL and Go; Python's requests; curl; Node; git.
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"} {
		set = append(set, variable{name, s.roots})
	}
	set = append(set, variable{javaVariable, strings.TrimSpace(valueOf(base, javaVariable) + " " + s.java)})
	set = append(set, variable{"NODE_USE_ENV_PROXY", "1"}) // for Node's own fetch, from 22.21 and 24.0 on
	if s.azure != "" {
		set = append(set, variable{"AZURE_CONFIG_DIR", s.azure})
	}
	if !s.internet && !has(base, "AZURE_CORE_COLLECT_TELEMETRY") {
		set = append(set, variable{"AZURE_CORE_COLLECT_TELEMETRY", "false"}) // the proxy refuses the telemetry's host
	}
	own := cmp.Or(os.Getenv(browserVariable), os.Getenv("BROWSER")) // browserVariable is set under another midas exec
	if strings.Contains(s.program, " ") || browser(own) == nil || has(base, browserVariable) {
		return replace(base, set, "ALL_PROXY", "all_proxy")
	}
	set = append(set, variable{"BROWSER", s.program + " browse %s"}, variable{browserVariable, own})
	return replace(base, set, "ALL_PROXY", "all_proxy")
}

// direct is the value of NO_PROXY: this machine, and the server's own host name.
func (s environment) direct() string {
	hosts := []string{"localhost", "127.0.0.1", "::1", "[::1]"}
	if address, err := s.admin.EndpointAddress(); err == nil {
		if host, _, err := net.SplitHostPort(address); err == nil {
			hosts = append(hosts, host)
		}
	}
	return strings.Join(hosts, ",")
}

// replace sets variables in an environment and removes others from it.
func replace(base []string, set []variable, without ...string) []string {
	gone := map[string]bool{}
	for _, v := range set {
		gone[v.name] = true
	}
	for _, name := range without {
		gone[name] = true
	}
	var all []string
	for _, line := range base {
		if name, _, _ := strings.Cut(line, "="); !gone[name] {
			all = append(all, line)
		}
	}
	for _, v := range set {
		all = append(all, v.name+"="+v.value)
	}
	return all
}

// valueOf returns the value of a variable in an environment, or "" if it is not set.
func valueOf(base []string, name string) (value string) {
	for _, line := range base {
		if v, found := strings.CutPrefix(line, name+"="); found {
			value = v // programs use the last one
		}
	}
	return value
}

func has(base []string, name string) bool {
	for _, line := range base {
		if strings.HasPrefix(line, name+"=") {
			return true
		}
	}
	return false
}
