package agent_test

import (
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/host"
	"midas/internal/localca"
)

func TestExpiredTokenIsNotGivenAfterSuspend(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	c.Set(61 * time.Minute) // the monotonic clock stood still
	want(t, a, "t2")
	s.set(func() { s.fault = 503 })
	c.Set(25 * time.Hour)
	eventually(t, func() bool { _, err := get(t, a); return err != nil })
	wantErr(t, a, host.ErrAway)
}

func TestTokenPastHalfItsLifeIsRenewedAfterSuspend(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	c.Set(31 * time.Minute)
	want(t, a, "t2")
}

// While the machine slept, the answer to the open request may have been lost.
func TestAgentIsNotWatchingAfterSuspend(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s)
	a, c := start(t, s, p.through)
	run(t, a)
	want(t, a, "t1")
	p.kill()
	s.change(func() { s.principals = nil })
	c.Set(5 * time.Minute)
	if a.Watching() {
		t.Error("it watches")
	}
	eventually(t, func() bool { got, _ := get(t, a); return got == "" })
}

func TestClockThatIsSetBackKeepsTokensForTheirLife(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil)
	run(t, a)
	want(t, a, "t1")
	c.Set(-24 * time.Hour)
	want(t, a, "t1")
	c.Forward(31 * time.Minute)
	want(t, a, "t2")
	s.set(func() { s.fault = 503 })
	c.Forward(61 * time.Minute)
	eventually(t, func() bool { _, err := get(t, a); return err != nil })
}

// A server whose clock is ahead gives certificates that are not valid for long.
func TestCertificateThatIsNotValidYetIsRefused(t *testing.T) {
	s := newServer(t)
	a, c := start(t, s, nil)
	before := a.Current()
	ahead := func() time.Time { return time.Now().Add(20 * 24 * time.Hour) }
	ca, err := localca.OpenHosts(t.TempDir(), ahead)
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.ca, s.life = ca, 21*24*time.Hour })
	c.Forward(35 * time.Minute)
	run(t, a)
	eventually(t, func() bool { return s.renewals.Load() > 0 })
	want(t, a, "t1")
	if a.Current() != before {
		t.Error("it was taken into use")
	}
}

// Both clocks were ahead when the certificate was renewed: until it is valid, the one before is.
func TestEarlierCertificateIsUsedWhileTheNewestIsNotValid(t *testing.T) {
	s := newServer(t)
	var renewed agent.Credential
	a, c := start(t, s, func(cfg *agent.Config) {
		cfg.Save = func(c agent.Credential) error { renewed = c; return nil }
	})
	early := a.Current()
	ahead := func() time.Time { return time.Now().Add(40 * time.Minute) }
	ca, err := localca.OpenHosts(t.TempDir(), ahead)
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.ca, s.life = ca, 2*time.Hour })
	c.Set(40 * time.Minute)
	run(t, a)
	eventually(t, func() bool { return a.Current().Certificate != early.Certificate })
	if renewed.EarlierCertificate != early.Certificate || renewed.EarlierKey != early.Key {
		t.Fatal("the earlier certificate was not kept")
	}
	if shown := agent.Shown(t, renewed, time.Now()); shown != early.Certificate {
		t.Error("what is not valid yet is shown")
	}
	if shown := agent.Shown(t, renewed, time.Now().Add(time.Hour)); shown != renewed.Certificate {
		t.Error("the newest is not shown when it is valid")
	}
}
