// Package midastest runs a real Midas for the tests of programs that use managed identities: HTTPS
// on a free port of 127.0.0.1, real tokens, enforced roles, and state in memory that ends with the test.
//
//	srv := midastest.Start(t)
//	req, _ := http.NewRequest("GET", srv.Endpoint+"/subscriptions?api-version=2022-12-01", nil)
//	req.Header.Set("Authorization", "Bearer "+srv.Token(t, midastest.Management))
//	resp, err := srv.Client().Do(req)
package midastest

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
)

// Management is the resource for tokens of the Azure Resource Manager API.
const Management = "https://management.azure.com/"

// Server is a running Midas and its administrator, who is Owner of the subscription.
type Server struct {
	Endpoint       string // https://127.0.0.1:PORT
	TenantID       string
	SubscriptionID string
	ClientID       string
	ClientSecret   string
	CAFile         string // path of the CA certificate that clients must trust, in PEM

	admin  *client.Client
	server *midas.Server
}

// Option changes how the server is started.
type Option func(*midas.Config)

// Lab gives the server the well-known ids and secret of midas.Config.Lab.
func Lab() Option { return func(c *midas.Config) { c.Lab = true } }

// State gives the server a declared state (docs/state.md) before it starts: the name of a file or folder, or YAML or
// JSON itself.
func State(state string) Option {
	return func(c *midas.Config) {
		if strings.ContainsAny(state, ":\n{") {
			if c.StateText != "" {
				state = c.StateText + "\n---\n" + state
			}
			c.StateText = state
			return
		}
		c.State = append(c.State, state)
	}
}

// Clock gives the server a clock that Server.Advance moves. Lab implies it.
func Clock() Option { return func(c *midas.Config) { c.MovableClock = true } }

// Verbose writes the server's log, one line a request, to the test's output.
func Verbose() Option {
	return func(c *midas.Config) { c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)) }
}

// With changes the configuration in any other way. Data, Listen, Store and Logger are already set.
func With(change func(*midas.Config)) Option { return change }

// Start runs a server until the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	cfg := midas.Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:",
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, o := range opts {
		o(&cfg)
	}
	server, err := midas.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("start midas: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("end midas: %v", err)
		}
	})
	admin, err := client.Open(cfg.Data)
	if err != nil {
		t.Fatalf("read credentials: %v", err)
	}
	t.Cleanup(admin.HTTP.CloseIdleConnections)
	return &Server{
		Endpoint: admin.Endpoint, TenantID: admin.TenantID, SubscriptionID: admin.SubscriptionID,
		ClientID: admin.ClientID, ClientSecret: string(admin.ClientSecret), CAFile: admin.CAFile,
		admin: admin, server: server,
	}
}

// Stop ends the server before the test does.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.server.Close(); err != nil {
		t.Errorf("end midas: %v", err)
	}
}

// Client is an HTTP client that trusts the server's certificate authority and no other.
func (s *Server) Client() *http.Client { return s.admin.HTTP }

// Token gets an access token of the administrator for a resource, such as Management.
func (s *Server) Token(t testing.TB, resource string) string {
	t.Helper()
	token, err := s.admin.Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// MetadataURLs are the URLs of the endpoints of midas.Config.Metadata, in the same order.
func (s *Server) MetadataURLs() []string { return s.server.MetadataURLs() }

// Advance moves the clock of a server with the option Clock or Lab forward: tokens expire, keys rotate, and jobs whose
// time has come run, for which it waits up to two seconds.
func (s *Server) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	if err := s.server.Advance(t.Context(), d); err != nil {
		t.Fatalf("advance the clock: %v", err)
	}
}

// Now is the time by the server's clock.
func (s *Server) Now() time.Time { return s.server.Now() }

// Reset returns a server with the option Lab to its state at the start, or at the last Capture: objects, clock, faults and
// delays.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	if _, err := s.server.Reset(t.Context()); err != nil {
		t.Fatalf("reset midas: %v", err)
	}
}

// Capture makes the present state of a server with the option Lab that to which Reset returns.
func (s *Server) Capture(t testing.TB) {
	t.Helper()
	if err := s.server.Capture(t.Context()); err != nil {
		t.Fatalf("capture the state of midas: %v", err)
	}
}
