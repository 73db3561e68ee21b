package agent_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/host"
)

// at makes an agent use servers.
func at(servers ...string) func(*agent.Config) {
	return func(c *agent.Config) { c.Credential.Server = strings.Join(servers, ",") }
}

// audience returns another audience each time, of which the agent has no token.
func audience() func() string {
	var n atomic.Int64
	return func() string { return "https://" + strconv.FormatInt(n.Add(1), 10) }
}

// TestEveryFailureOfAServerMovesARequest asks for tokens that the agent does not have while the preferred server fails in
// one of the ways in which servers fail.
func TestEveryFailureOfAServerMovesARequest(t *testing.T) {
	tests := map[string]func(http.ResponseWriter, *http.Request){
		"503 without a body": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"503 of Midas":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, host.CodeUnavailable) },
		"500 of Midas":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, host.CodeInternal) },
		"too many requests":  func(w http.ResponseWriter, _ *http.Request) { refuse(w, 429, host.CodeBusy) },
		"unknown name":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 421, "MisdirectedRequest") },
		"redirection": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"404 of another page": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"reset":               func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"token":"half`))
		},
		"half a text":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token":"half`)) },
		"no token":        func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"no content":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"another program": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>welcome`)) },
		"hangs":           func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for name, serve := range tests {
		t.Run(name, func(t *testing.T) {
			good := newServer(t)
			bad := &server{Server: httptest.NewUnstartedServer(http.HandlerFunc(serve))}
			bad.EnableHTTP2 = true
			bad.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			bad.StartTLS()
			t.Cleanup(bad.Close)
			a, _ := start(t, good, at(bad.URL, good.URL))
			run(t, a)
			for range 3 {
				want(t, a, "t"+strconv.FormatInt(good.tokens.Load()+1, 10))
				a.Forget(vault)
			}
		})
	}
	for name, address := range map[string]func(*testing.T) string{
		"refused connection": func(t *testing.T) string { return closedPort(t) },
		"no TLS": func(t *testing.T) string {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return strings.Replace(s.URL, "http:", "https:", 1)
		},
		"accepts and closes":   func(t *testing.T) string { return listening(t, func(c net.Conn) { _ = c.Close() }) },
		"accepts and is quiet": func(t *testing.T) string { return listening(t, func(net.Conn) {}) },
		"unknown name":         func(*testing.T) string { return "https://nowhere.invalid" },
	} {
		t.Run(name, func(t *testing.T) {
			good := newServer(t)
			a, _ := start(t, good, at(address(t), good.URL))
			run(t, a)
			want(t, a, "t1")
		})
	}
}

// closedPort is the URL of an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String()
}

// listening is the URL of a listener that does something with its connections, which end with the test.
func listening(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			do(c)
			open = append(open, c)
		}
		for _, c := range open {
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return "https://" + l.Addr().String()
}

// TestNoTokenRequestFailsWhileAServerDies ends one server and stops another one while programs ask for tokens.
func TestNoTokenRequestFailsWhileAServerDies(t *testing.T) {
	for name, leave := range map[string]func(*server, *proxy){
		"ends":  func(s *server, p *proxy) { _ = p.listener.Close(); p.kill(); s.CloseClientConnections() },
		"hangs": func(_ *server, p *proxy) { p.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newServer(t), newServer(t)
			p := newProxy(t, first)
			a, _ := start(t, first, at("https://"+p.listener.Addr().String(), second.URL))
			second.ca = first.ca
			run(t, a)
			next, stop := audience(), make(chan struct{})
			var asked, slowest atomic.Int64
			var asking sync.WaitGroup
			for range 4 {
				asking.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						begun := time.Now()
						if _, err := a.Token(t.Context(), host.Selector{}, next()); err != nil {
							t.Errorf("a token: %v", err)
							return
						}
						asked.Add(1)
						for took := int64(time.Since(begun)); took > slowest.Load(); {
							slowest.Store(took)
						}
					}
				})
			}
			eventually(t, func() bool { return first.tokens.Load() > 20 })
			leave(first, p)
			eventually(t, func() bool { return second.tokens.Load() > 100 && a.Watching() })
			second.change(func() { second.principals = append(second.principals, host.Principal{ObjectID: "o2"}) })
			eventually(t, func() bool { all, err := a.Principals(t.Context()); return err == nil && len(all) == 2 })
			close(stop)
			asking.Wait()
			t.Logf("%d tokens, the slowest took %v", asked.Load(), time.Duration(slowest.Load()))
		})
	}
}

// TestPreferredServerIsTakenUpAgain stops the preferred server and lets it go on. No request is sent to it alone meanwhile.
func TestPreferredServerIsTakenUpAgain(t *testing.T) {
	first, second := newServer(t), newServer(t)
	p := newProxy(t, first)
	a, _ := start(t, first, at("https://"+p.listener.Addr().String(), second.URL))
	run(t, a)
	next := audience()
	ask := func() {
		t.Helper()
		if _, err := a.Token(t.Context(), host.Selector{}, next()); err != nil {
			t.Error(err)
		}
	}
	ask()
	if first.tokens.Load() != 1 || second.tokens.Load() != 0 {
		t.Fatal("the preferred server was not asked")
	}
	p.stop()
	for range 20 {
		ask()
	}
	if n := second.tokens.Load(); n != 20 {
		t.Errorf("the other server was asked %d times", n)
	}
	p.resume()
	eventually(t, func() bool { n := first.tokens.Load(); ask(); return first.tokens.Load() == n+1 })
}

// TestRequestIsSentAgainToTheOnlyAddress has one address, a load balancer whose replica dies. It leads to another replica
// when it is asked again.
func TestRequestIsSentAgainToTheOnlyAddress(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	run(t, a)
	next := audience()
	for range 3 {
		s.set(func() { s.fault = 503 })
		timer := time.AfterFunc(300*time.Millisecond, func() { s.set(func() { s.fault = 0 }) })
		if _, err := a.Token(t.Context(), host.Selector{}, next()); err != nil {
			t.Error(err)
		}
		timer.Stop()
	}
	p := newProxy(t, s)
	b, _ := start(t, s, p.through)
	run(t, b)
	p.kill() // the connection leads to a replica that is paused, another one works
	begun := time.Now()
	if _, err := b.Token(t.Context(), host.Selector{}, next()); err != nil {
		t.Error(err)
	}
	t.Logf("it took %v", time.Since(begun))
}

// TestServersAreLearnt lets an agent learn addresses, of which a folder keeps the useful ones, and then ends the server
// that was named.
func TestServersAreLearnt(t *testing.T) {
	first, second := newServer(t), newServer(t)
	second.ca = first.ca
	state := t.TempDir()
	if _, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: first.URL, Roots: first.roots(), Token: "good"}, state); err != nil {
		t.Fatal(err)
	}
	first.set(func() {
		first.servers = first.URL + "," + second.URL + ", http://127.0.0.1:1,https://u:p@127.0.0.1:2,https://127.0.0.1:3/path,rubbish"
	})
	open := func() *agent.Server {
		t.Helper()
		s, err := agent.Open(t.Context(), agent.ServerConfig{
			State: state, Log: slog.New(slog.DiscardHandler), Endpoints: []agent.EndpointConfig{{Flavour: "imds", Listen: "127.0.0.1:0", Unlimited: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		s.Start()
		return s
	}
	token := func(s *agent.Server, audience string) int {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URLs()[0]+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+audience, nil)
		req.Header.Set("Metadata", "true")
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	s := open()
	eventually(t, func() bool { return slices.Equal(agent.Learnt(t, state), []string{second.URL}) })
	first.Close()
	if status := token(s, "https://a"); status != 200 || second.tokens.Load() == 0 {
		t.Errorf("%d", status)
	}
	_ = s.Close()
	if status := token(open(), "https://b"); status != 200 { // the named server is still away
		t.Errorf("after a restart: %d", status)
	}
}

func TestLearntServersAreBounded(t *testing.T) {
	s := newServer(t)
	var many []string
	for i := range 100 {
		many = append(many, "https://127.0.0.1:"+strconv.Itoa(1000+i), "https://"+strings.Repeat("x", 300)+":"+strconv.Itoa(1000+i))
	}
	s.servers = strings.Join(many, ",")
	var learnt []string
	a, _ := start(t, s, func(c *agent.Config) {
		c.SaveLearnt = func(all agent.KnownServers) error { learnt = all.Servers; return nil }
	})
	run(t, a)
	if len(learnt) != 16 || slices.ContainsFunc(learnt, func(u string) bool { return len(u) > 100 }) {
		t.Errorf("%d servers: %.200q", len(learnt), learnt)
	}
	want(t, a, "t1")
}

func TestServersOfThisMachineAreNotLearnt(t *testing.T) {
	local := []string{"https://localhost:1", "https://127.0.0.2:1", "https://[::1]:1", "https://0.0.0.0:1", "https://a.localhost", "https://169.254.169.254", "https://[::ffff:127.0.0.1]:1"}
	if got := agent.Learnable(local, []string{"https://midas.corp"}); len(got) != 0 {
		t.Errorf("learnt %v", got)
	}
	if got := agent.Learnable(append(local, "https://10.0.0.2:8443"), []string{"https://midas.corp"}); !slices.Equal(got, []string{"https://10.0.0.2:8443"}) {
		t.Errorf("learnt %v", got)
	}
}

func TestServerSettings(t *testing.T) {
	got, err := agent.ParseServers("https://a:8443/, https://b", "https://a:8443")
	if err != nil || !slices.Equal(got, []string{"https://a:8443", "https://b"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{
		"", "https://a,", "http://a", "a:8443", "https://", "https://u@a", "https://u:p@a", "https://a/x", "https://a?x", "https://a#x", "https://a:0",
		"https://a:70000", "https://a:", "https://" + strings.Repeat("a", 300), "https://a b", "https://[::1", "HTTPS://a\n",
	} {
		if got, err := agent.ParseServers(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	var many []string
	for i := range 17 {
		many = append(many, "https://a"+strconv.Itoa(i))
	}
	if _, err := agent.ParseServers(many...); err == nil {
		t.Error("17 servers")
	}
}

// TestRevisionOfTheStateIsSent pins that the server learns which state the agent knows, and that an agent whose host was
// removed asks for the newest one.
func TestRevisionOfTheStateIsSent(t *testing.T) {
	s := newServer(t)
	s.revision = 7
	a, _ := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	if got := s.asked("token"); got != "7" {
		t.Errorf("sent %q with a request for a token", got)
	}
	eventually(t, func() bool { return s.asked("state") == "7" })
	s.change(func() { s.revision = 3 }) // the store was restored
	eventually(t, func() bool { a.Forget(vault); _, err := get(t, a); return err == nil && s.asked("token") == "3" })
	s.change(func() { s.revoked = true })
	eventually(t, func() bool { _, _ = get(t, a); return s.asked("token") == "18446744073709551615" })
}

// TestEnrollmentMovesToAnotherServer has a first server that is not there, or that may have used the token: another one
// gets the same request, and answers for the same host.
func TestEnrollmentMovesToAnotherServer(t *testing.T) {
	s := newServer(t)
	for name, first := range map[string]string{"refused": closedPort(t), "closes": listening(t, func(c net.Conn) { _ = c.Close() })} {
		c, err := agent.Enroll(t.Context(), agent.Enrollment{Server: first + "," + s.URL, Roots: s.roots(), Token: "good"})
		if err != nil || c.Server != first+","+s.URL {
			t.Errorf("%s: %v", name, err)
		}
	}
	var requests sync.Map
	var carriedOut, unavailable atomic.Int64
	bad := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in host.EnrollRequest
		_ = json.NewDecoder(r.Body).Decode(&in)
		requests.Store(in.Request, true)
		if carriedOut.Add(1); unavailable.Load() != 0 {
			refuse(w, http.StatusServiceUnavailable, "Unavailable")
			return
		}
		panic(http.ErrAbortHandler)
	}))
	bad.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	bad.StartTLS()
	defer bad.Close()
	if _, err := agent.Enroll(t.Context(), agent.Enrollment{Server: bad.URL + "," + s.URL, Roots: s.roots(), Token: "good"}); err != nil || carriedOut.Load() != 1 {
		t.Errorf("after a server that may have used the token: %v", err)
	}
	for status := range int64(2) { // a machine whose only server gives no clear answer tries again, with the same key in later runs, too
		unavailable.Store(status)
		requests.Clear()
		carriedOut.Store(0)
		state := t.TempDir()
		keys := map[string]bool{}
		for range 2 {
			if _, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: bad.URL, Roots: s.roots(), Token: "good"}, state); err == nil {
				t.Error("enrolled by a server that gives no answer")
			}
		}
		requests.Range(func(request, _ any) bool {
			keys[publicKeyOf(t, request.(string))] = true
			return true
		})
		if len(keys) != 1 || carriedOut.Load() < 4 {
			t.Errorf("%d keys in %d requests", len(keys), carriedOut.Load())
		}
		if _, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: s.URL, Roots: s.roots(), Token: "good"}, state); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(state, "*.pem")); err != nil || len(left) != 0 {
			t.Errorf("%v is left (%v)", left, err)
		}
	}
	if u, err := url.Parse(bad.URL); err != nil || u.Scheme != "https" {
		t.Fatal(err)
	}
}

// publicKeyOf is the public key of a certificate request.
func publicKeyOf(t *testing.T, request string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return string(parsed.RawSubjectPublicKeyInfo)
}
