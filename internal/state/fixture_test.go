package state_test

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"midas"
	"midas/internal/state"
	"midas/midastest"
)

// counter counts the requests that write, and can refuse requests.
type counter struct {
	next   http.RoundTripper
	writes atomic.Int64
	all    atomic.Int64
	refuse func(write int64, r *http.Request) *http.Response // nil, or what is answered instead
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.all.Add(1)
	n := c.writes.Load()
	if r.Method != http.MethodGet {
		n = c.writes.Add(1)
	}
	if c.refuse != nil {
		if resp := c.refuse(n, r); resp != nil {
			return resp, nil
		}
	}
	return c.next.RoundTrip(r)
}

// serve runs a laboratory and returns its client.
func serve(t testing.TB) (*state.Server, *counter) {
	t.Helper()
	srv := midastest.Start(t, midastest.Lab())
	wire := &counter{next: srv.Client().Transport}
	return &state.Server{
		Endpoint: srv.Endpoint, HTTP: &http.Client{Transport: wire}, TenantID: srv.TenantID, SubscriptionID: srv.SubscriptionID,
		ClientID: srv.ClientID, UserName: midas.LabUserName, Lab: true,
		Token: func(_ context.Context, resource string) (string, error) { return srv.Token(t, resource), nil },
	}, wire
}

// plan compares a text with a server, with the secrets of earlier runs.
func plan(t testing.TB, s *state.Server, text string, o state.Options) *state.Plan {
	t.Helper()
	d, err := state.Load([]state.File{{Name: "state.yaml", Text: []byte(text)}}, s.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(t.Context(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apply(t testing.TB, s *state.Server, text string, o state.Options) state.Result {
	t.Helper()
	result, err := plan(t, s, text, o).Apply(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
