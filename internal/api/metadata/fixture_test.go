package metadata_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
	"midas/internal/api/metadata"
	"midas/internal/host"
)

const (
	raw      = "head.claims.signature"
	clientID = "11111111-1111-4111-8111-111111111111"
	objectID = "22222222-2222-4222-8222-222222222222"
	tenantID = "33333333-3333-4333-8333-333333333333"
	vmID     = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/web1"
	vault    = "https://vault.azure.net"
	secret   = "the-secret"
	guid     = "44444444-4444-4444-8444-444444444444"
)

// start is the time of the tests' clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// source is a Source with fixed answers. It records the arguments of its last call.
type source struct {
	err      error
	selector host.Selector
	audience string
	nonce    string
	entered  chan struct{} // if not nil, Token sends to it and then waits for leave
	leave    chan struct{}
	instance host.Instance

	principals []host.Principal
	raw        string          // of tokens, if it is not empty
	known      map[string]bool // the audiences with a cached token, and whether the token is fresh
}

func (s *source) Recall(_ host.Selector, audience string) (*host.Token, bool, error) {
	fresh, found := s.known[audience]
	if !found {
		return nil, false, nil
	}
	return tokenFor(audience), fresh, nil
}

func (s *source) Token(_ context.Context, sel host.Selector, audience string) (*host.Token, error) {
	if _, found := s.known[audience]; found {
		return tokenFor(audience), nil
	}
	s.selector, s.audience = sel, audience
	if s.entered != nil {
		s.entered <- struct{}{}
		<-s.leave
	}
	if s.err != nil {
		return nil, s.err
	}
	t := tokenFor(audience)
	if s.raw != "" {
		t.Raw = host.Secret(s.raw)
	}
	return t, nil
}

func tokenFor(audience string) *host.Token {
	return &host.Token{
		Raw: raw, Audience: audience, NotBefore: start.Add(-time.Minute), Expires: start.Add(24*time.Hour - time.Minute),
		Principal: host.Principal{TenantID: tenantID, ClientID: clientID, ObjectID: objectID},
	}
}

func (s *source) Principals(context.Context) ([]host.Principal, error) { return s.principals, s.err }

func (s *source) Instance(context.Context) (host.Instance, error) { return s.instance, s.err }

func (s *source) Attest(_ context.Context, nonce string) ([]byte, error) {
	s.nonce = nonce
	return []byte("signed"), s.err
}

func config(s metadata.Source) metadata.Config {
	return metadata.Config{Source: s, Now: func() time.Time { return start }, NewID: func() string { return guid }}
}

// serve wraps an endpoint as the agent does.
func serve(t testing.TB, h httpx.Handler) http.Handler {
	t.Helper()
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return httpx.New(h, httpx.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: func() string { return guid },
	})
}

// call is one request, written as "GET /path?query" with header lines below it, and "=" for a body.
type call string

func (c call) do(t testing.TB, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	head, body, _ := strings.Cut(string(c), "\n=")
	lines := strings.Split(head, "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, "http://169.254.169.254"+target, strings.NewReader(body))
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if name == "Host" {
			r.Host = strings.TrimSpace(value)
			continue
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// decoded is a JSON body.
func decoded(t testing.TB, r io.Reader) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}
