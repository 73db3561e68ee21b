package agent_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/clock/clocktest"
	"midas/internal/host"
	"midas/internal/localca"
)

// server is a stand-in for the hosts API. It accepts the enrollment token "good".
type server struct {
	*httptest.Server
	ca *localca.HostCA

	mu          sync.Mutex
	principals  []host.Principal
	revoked     bool
	version     int
	changed     chan struct{}
	life        time.Duration // of certificates
	tokens      atomic.Int64  // how many were asked for
	renewals    atomic.Int64
	refusal     string // a code, instead of a token
	fault       int    // a status, instead of a token
	faultyState bool   // and instead of a state
	hold        chan struct{}
	name        string            // host.HeaderName of states
	servers     string            // host.HeaderServers of states
	revision    uint64            // of states
	revisions   map[string]string // host.HeaderRevision of the last request, by operation
}

// asked is host.HeaderRevision of the last request of an operation.
func (s *server) asked(operation string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revisions[operation]
}

// told reports whether an operation was requested.
func (s *server) told(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.revisions[operation]
	return ok
}

func (s *server) noteRevision(operation string, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revisions == nil {
		s.revisions = map[string]string{}
	}
	s.revisions[operation] = r.Header.Get(host.HeaderRevision)
}

func newServer(t *testing.T) *server {
	t.Helper()
	ca, err := localca.OpenHosts(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ca: ca, changed: make(chan struct{}), life: time.Hour, principals: []host.Principal{{ObjectID: "o1", ClientID: "c1"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+host.PathEnroll, s.enroll)
	mux.HandleFunc("POST "+host.PathRenew, s.renew)
	mux.HandleFunc("POST "+host.PathToken, s.token)
	mux.HandleFunc("GET "+host.PathState, s.state)
	s.Server = httptest.NewUnstartedServer(mux)
	s.TLS = nil
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) roots() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func refuse(w http.ResponseWriter, status int, code string) {
	var p host.Problem
	p.Error.Code, p.Error.Message = code, "because"
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

func (s *server) certify(w http.ResponseWriter, request string) {
	s.mu.Lock()
	end := time.Now().Add(s.life)
	s.mu.Unlock()
	cert, err := s.ca.Certify([]byte(request), "h1", &url.URL{Scheme: "midas", Path: "/vm"}, end)
	if err != nil {
		refuse(w, 400, host.CodeInvalidRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(host.EnrollAnswer{Resource: "/vm", Certificate: string(cert)})
}

func (s *server) enroll(w http.ResponseWriter, r *http.Request) {
	var in host.EnrollRequest
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Token != "good" {
		refuse(w, 403, host.CodeEnrollmentToken)
		return
	}
	s.certify(w, in.Request)
}

func (s *server) renew(w http.ResponseWriter, r *http.Request) {
	var in host.RenewRequest
	_ = json.NewDecoder(r.Body).Decode(&in)
	s.renewals.Add(1)
	s.certify(w, in.Request)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	n := s.tokens.Add(1)
	s.noteRevision("token", r)
	s.mu.Lock()
	refusal, fault, revoked, principals, hold := s.refusal, s.fault, s.revoked, s.principals, s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	switch {
	case fault != 0:
		w.WriteHeader(fault)
		return
	case revoked:
		refuse(w, 403, host.CodeRevoked)
		return
	case refusal != "":
		refuse(w, 404, refusal)
		return
	case len(principals) == 0:
		refuse(w, 404, host.CodeNone)
		return
	}
	now := time.Now()
	_ = json.NewEncoder(w).Encode(host.TokenAnswer{
		Token: host.Secret("t" + strconv.FormatInt(n, 10)), NotBefore: now.Unix(), Expires: now.Add(time.Hour).Unix(),
		ExpiresIn: 3600, RefreshIn: 1800, Principal: principals[0],
	})
}

func (s *server) state(w http.ResponseWriter, r *http.Request) {
	s.noteRevision("state", r)
	for {
		s.mu.Lock()
		version, principals, revoked, changed, fault, servers, revision := strconv.Itoa(s.version), s.principals, s.revoked, s.changed, s.fault, s.servers, s.revision
		s.mu.Unlock()
		if fault != 0 && s.faultyState {
			w.WriteHeader(fault)
			return
		}
		if revoked {
			refuse(w, 403, host.CodeRevoked)
			return
		}
		if version != r.URL.Query().Get("after") {
			w.Header().Set(host.HeaderServers, servers)
			w.Header().Set(host.HeaderName, s.name)
			_ = json.NewEncoder(w).Encode(host.State{Version: version, Revision: revision, Principals: principals, Instance: host.Instance{Name: "vm"}})
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// change changes the state and tells all who wait.
func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.version++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func start(t *testing.T, s *server, change func(*agent.Config)) (*agent.Agent, *clocktest.Clock) {
	t.Helper()
	credential, err := agent.Enroll(t.Context(), agent.Enrollment{Server: s.URL, Roots: s.roots(), Token: "good", Resource: "/VM/"})
	if err != nil {
		t.Fatal(err)
	}
	c := &clocktest.Clock{}
	cfg := agent.Config{Credential: credential, Now: c.Now, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// run runs the agent and waits until it watches.
func run(t *testing.T, a *agent.Agent) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, a.Watching)
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

func get(t *testing.T, a *agent.Agent) (string, error) {
	t.Helper()
	got, err := a.Token(t.Context(), host.Selector{}, vault)
	if err != nil {
		return "", err
	}
	return string(got.Raw), nil
}

func want(t *testing.T, a *agent.Agent, raw string) {
	t.Helper()
	if got, err := get(t, a); got != raw || err != nil {
		t.Errorf("token %q, %v; want %q", got, err, raw)
	}
}

func wantErr(t *testing.T, a *agent.Agent, reason error) {
	t.Helper()
	if got, err := get(t, a); !errors.Is(err, reason) {
		t.Errorf("token %q, %v; want %v", got, err, reason)
	}
}
