package witness_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// guard makes all connections of a test. It connects to loopback addresses, and to the server for the
// addresses in leads. It refuses and records all other addresses.
type guard struct {
	*http.Client
	transport *http.Transport
	roots     *x509.CertPool
	server    string          // HOST:PORT
	leads     map[string]bool // addresses that lead to the server

	mu      sync.Mutex
	refused []string
	faults  []string
	seen    []exchange
}

// exchange is what the guard remembers of a request and its answer.
type exchange struct {
	Method, Host, Path, Query string
	Proto, Status             int
}

// newGuard makes a guard that trusts the server's certificate authority and no other. When the test
// ends, it fails if there was a 5xx, if an answer does not fit Microsoft's OpenAPI files, or if other
// addresses were refused than the test expects.
func newGuard(t testing.TB, caFile, server string, leads ...string) *guard {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{roots: x509.NewCertPool(), server: server, leads: map[string]bool{}}
	if !g.roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", caFile)
	}
	for _, address := range leads {
		g.leads[address] = true
	}
	// No proxy, whatever the environment says: it would dial in the test's stead.
	g.transport = &http.Transport{
		Proxy: nil, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16,
		DialContext: g.dial, DialTLSContext: g.dialTLS,
	}
	g.Client = &http.Client{Transport: roundTripper{g}}
	t.Cleanup(func() {
		g.transport.CloseIdleConnections()
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, address := range g.refused {
			t.Errorf("a client dialled %s", address)
		}
		for _, fault := range g.faults {
			t.Error(fault)
		}
	})
	return g
}

// dial is what everything goes through.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if g.leads[address] {
		address = g.server
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		g.mu.Lock()
		g.refused = append(g.refused, address)
		g.mu.Unlock()
		return nil, fmt.Errorf("%s is not this machine", address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// dialTLS expects the server's own certificate also behind a name that was led there.
func (g *guard) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := g.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(g.server)
	conn := tls.Client(plain, &tls.Config{RootCAs: g.roots, ServerName: host, NextProtos: []string{"h2", "http/1.1"}})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("handshake with %s: %w", address, err)
	}
	return conn, nil
}

// takeRefused forgets what was refused and gives it: the test expected it.
func (g *guard) takeRefused() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	refused := g.refused
	g.refused = nil
	slices.Sort(refused)
	return slices.Compact(refused)
}

// count is how many exchanges so far fit.
func (g *guard) count(fits func(exchange) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, e := range g.seen {
		if fits(e) {
			n++
		}
	}
	return n
}

// roundTripper watches what passes.
type roundTripper struct{ *guard }

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var wrong error
	if address := req.URL.Host; address == r.server || r.leads[address] || r.leads[address+":443"] {
		wrong = hold(req, resp)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if wrong != nil {
		r.faults = append(r.faults, wrong.Error())
	}
	r.seen = append(r.seen, exchange{
		Method: req.Method, Host: req.URL.Host, Path: req.URL.Path, Query: req.URL.RawQuery,
		Proto: resp.ProtoMajor, Status: resp.StatusCode,
	})
	if resp.StatusCode >= 500 {
		r.faults = append(r.faults, fmt.Sprintf("%s %s: %s", req.Method, req.URL, resp.Status))
	}
	return resp, nil
}

// Without a working guard the other tests could send requests to the real Azure.
func TestGuardBlocksOutgoingConnections(t *testing.T) {
	w := start(t)
	for _, url := range []string{
		"https://login.microsoftonline.com/", "https://management.azure.com/", "http://192.0.2.1/", "http://example.invalid/",
	} {
		if resp, err := w.guard.Get(url); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was reached", url)
		}
	}
	want := []string{"192.0.2.1:80", "example.invalid:80", "login.microsoftonline.com:443", "management.azure.com:443"}
	if got := w.guard.takeRefused(); !slices.Equal(got, want) {
		t.Errorf("refused %q", got)
	}
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	if _, err := w.guard.Get(stranger.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}
