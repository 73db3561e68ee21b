package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"midas/internal/agent"
	"midas/internal/host"
)

const vault = "https://vault.azure.net"

func TestTokenIsKeptUntilHalfItsLife(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	c.Forward(29 * time.Minute)
	want(t, a, "t1")
	c.Forward(2 * time.Minute)
	want(t, a, "t2")
}

func TestUnwatchedTokenIsTrustedForASecond(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil) // it does not run, so it cannot watch
	want(t, a, "t1")
	c.Forward(900 * time.Millisecond)
	want(t, a, "t1")
	c.Forward(200 * time.Millisecond)
	want(t, a, "t2")
}

func TestLastGoodTokenIsGivenWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*server){
		"gone":   func(s *server) { s.Close() },
		"faulty": func(s *server) { s.set(func() { s.fault = 503 }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			a, c := start(t, s, nil)
			want(t, a, "t1")
			leave(s)
			c.Forward(45 * time.Minute) // past half its life
			asked := s.tokens.Load()
			for range 5 {
				want(t, a, "t1")
			}
			if n := s.tokens.Load() - asked; n > 1 {
				t.Errorf("a server that is away was asked %d times at once", n)
			}
			c.Forward(15 * time.Minute) // past its end
			wantErr(t, a, host.ErrAway)
			if _, err := a.Token(t.Context(), host.Selector{ClientID: "c1"}, vault); !errors.Is(err, host.ErrAway) {
				t.Errorf("a token that was never there: %v", err)
			}
		})
	}
}

func TestEndOfAnAssignmentEndsTokensAtOnce(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	s.change(func() { s.principals = nil })
	begun := time.Now()
	eventually(t, func() bool { _, err := get(t, a); return errors.Is(err, host.ErrNone) })
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// A token that the new state does not allow is not returned, even if the server does not answer since then.
// An identity that is assigned and removed again between two states leaves no trace in them, so the agent hears nothing.
func TestAssignmentBetweenTwoStatesEndsToo(t *testing.T) {
	s := newServer(t)
	assigned := s.principals
	s.set(func() { s.principals = nil })
	a, _ := start(t, s, nil)
	run(t, a)
	s.set(func() { s.principals = assigned })
	want(t, a, "t1")
	s.set(func() { s.principals = nil })
	wantErr(t, a, host.ErrNone)
}

func TestEndedAssignmentIsNotServedWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *server){
		"detached":        func(s *server) { s.principals = []host.Principal{{ObjectID: "o2"}} },
		"tokens revoked":  func(s *server) { s.principals = []host.Principal{{ObjectID: "o1", ValidFrom: time.Now()}} },
		"host is unknown": func(s *server) { s.revoked = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			a, _ := start(t, s, nil)
			run(t, a)
			want(t, a, "t1")
			s.change(func() { change(s); s.fault = 503 })
			eventually(t, func() bool { got, _ := get(t, a); return got == "" })
		})
	}
}

func TestUnrelatedChangeKeepsTheLastGoodToken(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	s.change(func() { s.principals = append(s.principals, host.Principal{ObjectID: "o2"}); s.fault = 503 })
	eventually(t, func() bool {
		_, _ = get(t, a)
		return s.tokens.Load() > 1 // it has asked about the new state
	})
	want(t, a, "t1")
}

func TestRefusalIsRememberedForASecond(t *testing.T) {
	s := newServer(t)
	s.refusal = host.CodeSeveral
	a, c := start(t, s, nil)
	run(t, a)
	for range 5 {
		wantErr(t, a, host.ErrSeveral)
	}
	if n := s.tokens.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.set(func() { s.refusal = "" })
	c.Forward(time.Second)
	want(t, a, "t2")
}

func TestConcurrentCallersShareOneRequest(t *testing.T) {
	s := newServer(t)
	s.hold = make(chan struct{})
	a, _ := start(t, s, nil)
	gone, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := a.Token(gone, host.Selector{}, vault)
		first <- err
	}()
	eventually(t, func() bool { return s.tokens.Load() == 1 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { want(t, a, "t1") })
	}
	leave() // whoever came first goes, and the others must not go with it
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that left got %v", err)
	}
	close(s.hold)
	all.Wait()
	if n := s.tokens.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestSelectorsAndAudiencesAreCachedSeparately(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	run(t, a)
	ask := func(sel host.Selector, audience string) host.Secret {
		got, err := a.Token(t.Context(), sel, audience)
		if err != nil {
			t.Fatal(err)
		}
		return got.Raw
	}
	seen := map[host.Secret]bool{}
	for _, sel := range []host.Selector{{}, {ClientID: "x"}, {ObjectID: "x"}, {ResourceID: "x"}} {
		for _, audience := range []string{"a", "a/", "A"} {
			seen[ask(sel, audience)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d tokens for 12 questions", len(seen))
	}
	if ask(host.Selector{ClientID: "X"}, "a") != ask(host.Selector{ClientID: "x"}, "a") {
		t.Error("the case of an id makes another question")
	}
}

func TestCacheIsBounded(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	for i := range 512 {
		if _, err := a.Token(t.Context(), host.Selector{}, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, "t514")
}

func TestCertificateIsRenewedAtHalfItsLife(t *testing.T) {
	s := newServer(t)
	file := filepath.Join(t.TempDir(), "host.json")
	a, c := start(t, s, func(cfg *agent.Config) { cfg.Save = func(c agent.Credential) error { return c.Write(file) } })
	before := a.Current()
	c.Forward(35 * time.Minute)
	run(t, a)
	eventually(t, func() bool { return a.Current().Certificate != before.Certificate })
	kept, err := agent.ReadCredential(file)
	if err != nil || kept != a.Current() || kept.Key == before.Key || kept.Resource != "/vm" {
		t.Errorf("kept: %v", err)
	}
	want(t, a, "t1")
}

func TestRemovedHostEnrollsAgainIfItCan(t *testing.T) {
	s := newServer(t)
	enrolled := 0
	a, c := start(t, s, func(cfg *agent.Config) {
		first := cfg.Credential
		cfg.Credential = agent.Credential{}
		cfg.Enroll = func(context.Context) (agent.Credential, error) {
			enrolled++
			s.set(func() { s.revoked = false })
			return first, nil
		}
	})
	want(t, a, "t1")
	s.set(func() { s.revoked = true })
	c.Forward(2 * time.Second)
	want(t, a, "t3") // the second was refused
	if enrolled != 2 {
		t.Errorf("enrolled %d times", enrolled)
	}
}

func TestEnrollmentFailures(t *testing.T) {
	s := newServer(t)
	for name, e := range map[string]agent.Enrollment{
		"bad token":        {Server: s.URL, Roots: s.roots(), Token: "bad"},
		"other resource":   {Server: s.URL, Roots: s.roots(), Token: "good", Resource: "/vm2"},
		"in clear":         {Server: "http" + s.URL[len("https"):], Token: "good"},
		"untrusted server": {Server: s.URL, Token: "good"},
		"no roots":         {Server: s.URL, Roots: "rubbish", Token: "good"},
	} {
		if c, err := agent.Enroll(t.Context(), e); err == nil || c.Certificate != "" {
			t.Errorf("%s: enrolled", name)
		}
	}
	if _, err := agent.New(agent.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("an agent without a credential")
	}
}

func TestInstanceComesWithTheState(t *testing.T) {
	s := newServer(t)
	a, _ := start(t, s, nil)
	for range 2 {
		if in, err := a.Instance(t.Context()); err != nil || in.Name != "vm" {
			t.Errorf("%v %v", in, err)
		}
		run(t, a)
	}
}

// TestMain looks for goroutines that never end. A request for a program is repeated for some seconds, also after the last test.
func TestMain(m *testing.M) {
	code := m.Run()
	err := goleak.Find()
	for end := time.Now().Add(15 * time.Second); err != nil && time.Now().Before(end); {
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines that do not end:", err)
		code = 1
	}
	os.Exit(code)
}
