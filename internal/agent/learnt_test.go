package agent_test

import (
	"crypto/tls"
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
