package agent_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/host"
	"midas/internal/keypair/keypairtest"
	"midas/internal/localca"
)

// certified makes the server of an agent whose certificate an authority has issued for names.
func certified(t *testing.T, s *server, ca *localca.CA, names ...string) {
	t.Helper()
	certificate, err := ca.Certificate(names...)
	if err != nil {
		t.Fatal(err)
	}
	s.Server.Close()
	s.Server = httptest.NewUnstartedServer(s.Config.Handler)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	s.URL = strings.Replace(s.URL, "127.0.0.1", names[0], 1)
	t.Cleanup(s.Server.Close)
}

// TestLearntServersHaveTheCertificateOfTheInstallation lets a server name others. Only one with a certificate of the
// installation gets requests.
func TestLearntServersHaveTheCertificateOfTheInstallation(t *testing.T) {
	t.Parallel()
	open := func(names ...string) *localca.CA {
		t.Helper()
		ca, err := localca.Open(t.TempDir(), time.Now, names...)
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	installation, other := open(), open()
	file := func(ca *localca.CA) string {
		t.Helper()
		data, err := os.ReadFile(ca.Path())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	httptestRoot := func(s *server) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	}
	plain := newServer(t) // its certificate, which is its own root, is valid for 127.0.0.1, and has no constraints
	for name, c := range map[string]struct {
		first, learnt *localca.CA // nil: plain's
		names         [2]string
		roots         string
		accepted      bool
	}{
		"of the installation, with the name of the named server":      {installation, installation, [2]string{"localhost", "localhost"}, file(installation), true},
		"of the installation, with its own name":                      {installation, installation, [2]string{"localhost", "127.0.0.1"}, file(installation), true},
		"of another authority":                                        {installation, other, [2]string{"localhost", "localhost"}, file(installation), false},
		"of an authority for everybody, with its own name":            {installation, nil, [2]string{"localhost", "127.0.0.1"}, file(installation) + httptestRoot(plain), false},
		"of an authority for everybody, with the named server's name": {nil, nil, [2]string{"127.0.0.1", "127.0.0.1"}, httptestRoot(plain), true},
	} {
		t.Run(name, func(t *testing.T) {
			first, learnt := newServer(t), newServer(t)
			for i, s := range []*server{first, learnt} {
				if ca := []*localca.CA{c.first, c.learnt}[i]; ca != nil {
					certified(t, s, ca, c.names[i])
				}
			}
			learnt.ca, first.servers = first.ca, learnt.URL
			credential, err := agent.Enroll(t.Context(), agent.Enrollment{Server: first.URL, Roots: c.roots, Token: "good"})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := start(t, plain, func(cfg *agent.Config) { cfg.Credential = credential })
			run(t, a)
			first.set(func() { first.fault = http.StatusServiceUnavailable })
			got, err := a.Token(t.Context(), host.Selector{}, vault)
			if accepted := err == nil && got.Raw != "" && learnt.tokens.Load() > 0; accepted != c.accepted {
				t.Errorf("accepted: %v, %v", accepted, err)
			}
		})
	}
}

// TestLearntAddressesNeedNoNewFile has an agent whose file of authorities is older than the names of the other replicas: its
// constraints exclude their addresses. They show a certificate for the name of the installation.
func TestLearntAddressesNeedNoNewFile(t *testing.T) {
	dir, names := t.TempDir(), []string{"midas.example", "127.0.0.1"}
	ca, err := localca.OpenFor(dir, time.Now, names...)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(ca.Path())
	if err != nil {
		t.Fatal(err)
	}
	first, second := newServer(t), newServer(t)
	certified(t, first, ca, names...)
	first.URL = strings.Replace(first.URL, "midas.example", "127.0.0.1", 1)
	later, err := localca.OpenFor(dir, time.Now, "midas.example", "127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	config, err := later.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	second.Server.Close()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	second.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: second.Config.Handler}, TLS: config, EnableHTTP2: true} //nolint:gosec // a test
	second.StartTLS()
	t.Cleanup(second.Server.Close)
	second.ca, first.name, first.servers = first.ca, "midas.example", "https://"+listener.Addr().String()
	state := t.TempDir()
	enrollment := agent.Enrollment{Server: first.URL, Roots: string(old), Token: "good"}
	if _, err := agent.EnrollMachine(t.Context(), enrollment, state); err != nil {
		t.Fatal(err)
	}
	credential, err := agent.ReadCredential(filepath.Join(state, "host.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := start(t, newServer(t), func(cfg *agent.Config) { cfg.Credential = credential })
	run(t, a)
	first.set(func() { first.fault = http.StatusServiceUnavailable })
	if got, err := get(t, a); err != nil || second.tokens.Load() == 0 {
		t.Errorf("%q, %v", got, err)
	}
}

// TestConstraintsOfAddressesAreNoneOfNames has the authority of a company that is limited to addresses: it can certify
// the host name of anybody.
func TestConstraintsOfAddressesAreNoneOfNames(t *testing.T) {
	for name, c := range map[string]struct {
		constraints func(*x509.Certificate)
		learnt      string
		accepted    bool
	}{
		"a name, and addresses are limited": {func(c *x509.Certificate) {
			c.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}
		}, "stranger.example", false},
		"an address, and names are limited": {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"corp.example"} }, "10.0.0.9", false},
		"a name, and names are limited":     {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"corp.example"} }, "m2.corp.example", true},
		"a name, and other names are named": {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"corp.example"} }, "stranger.example", false},
		"an address among those of a company": {func(c *x509.Certificate) {
			c.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}
		}, "10.0.0.9", true},
	} {
		t.Run(name, func(t *testing.T) {
			root := keypairtest.NewLimited(t, "Company root", c.constraints)
			verify := agent.VerifyLearnt(root.Pool(), []string{"https://midas.corp.example"}, []string{c.learnt, ""})
			err := verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{root.Issue(t, nil, c.learnt).X509}})
			if (err == nil) != c.accepted {
				t.Errorf("accepted: %v, %v", err == nil, err)
			}
		})
	}
}

// TestHeadersOfAServerAreBounded has a server that names a hundred thousand others. It is one that has failed.
func TestHeadersOfAServerAreBounded(t *testing.T) {
	bad, good := newServer(t), newServer(t)
	good.ca = bad.ca
	bad.servers = strings.Repeat("https://10.0.0.1:8443,", 100_000)
	a, _ := start(t, bad, func(c *agent.Config) { c.Credential.Server = bad.URL + "," + good.URL })
	run(t, a)
	if !good.told("state") {
		t.Error("the other server was not asked for the state")
	}
}
