//go:build cluster

package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"midas/internal/api/httpx"
	"midas/internal/cluster"
)

// machine is one machine of a test: a data folder, and what runs on it.
type machine struct {
	config cluster.Config
	at     cluster.Address
	member *cluster.Member
	front  *httptest.Server // the main listener
}

var machines atomic.Int64 // that were made

func newMachine(t *testing.T) *machine {
	t.Helper()
	// Each machine has an address of its own, on which no other test listens in the meantime.
	n := machines.Add(1)
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+os.Getpid()%250, n/250, 1+n%250))
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	return &machine{
		config: cluster.Config{Data: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		at:     cluster.Address{Listen: address, Advertise: address},
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve opens the main listener of a running member.
func (m *machine) serve(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { _ = m.member.Close() })
	var front *httptest.Server
	handler := &cluster.Handler{
		Member: m.member, Pinned: func() (*x509.Certificate, error) { return front.Certificate(), nil },
		HandOver: func(context.Context) (cluster.Offer, error) {
			return cluster.Offer{Origin: "https://midas.test", Files: map[string][]byte{"master.key": []byte("secret")}}, nil
		},
	}
	front = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Serve(w, r, &httpx.Event{})
	}))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	front.StartTLS()
	t.Cleanup(front.Close)
	m.front = front
}

func begin(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	if err := cluster.Begin(m.config, m.at); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	m.serve(t)
	return m
}

func (m *machine) token(t *testing.T, life time.Duration) cluster.Token {
	t.Helper()
	token, err := m.member.NewToken(within(t), m.front.Certificate(), life)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// invitation is one that accepts every offer.
func invitation(t *testing.T, by *machine, token cluster.Token) cluster.Invitation {
	return cluster.Invitation{
		URL: by.front.URL, Token: token, Program: "test",
		Check: func(o cluster.Offer) error {
			if o.Origin != "https://midas.test" || string(o.Files["master.key"]) != "secret" {
				t.Errorf("origin %q, %d files", o.Origin, len(o.Files))
			}
			return nil
		},
		Keep: func(cluster.Offer) error { return nil },
	}
}

// join asks by for admission, and starts nothing.
func (m *machine) join(t *testing.T, by *machine, token cluster.Token) error {
	t.Helper()
	return cluster.Join(within(t), m.config, m.at, invitation(t, by, token))
}

func (m *machine) open(t *testing.T) {
	t.Helper()
	var err error
	if m.member, err = cluster.Open(within(t), m.config); err != nil {
		t.Fatal(err)
	}
}

func joined(t *testing.T, by *machine) *machine {
	t.Helper()
	m := newMachine(t)
	if err := m.join(t, by, by.token(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	m.serve(t)
	return m
}

// client is a client as the store's engine makes one.
func (m *machine) client(t *testing.T) *clientv3.Client {
	t.Helper()
	config, err := m.member.TLS()
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"https://" + m.member.Endpoint()}, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (m *machine) put(t *testing.T, value string) {
	t.Helper()
	if _, err := m.client(t).Put(within(t), "/test", value); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) wantValue(t *testing.T, value string) {
	t.Helper()
	got, err := m.client(t).Get(within(t), "/test")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != value {
		t.Fatalf("%v %v, want %s", got, err, value)
	}
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestThreeMachinesBecomeACluster(t *testing.T) {
	t.Parallel()
	one := begin(t)
	one.put(t, "1")
	two := joined(t, one)
	three := joined(t, two) // any member invites
	three.wantValue(t, "1")
	status, err := two.member.Status(within(t))
	if err != nil || len(status.Members) != 3 {
		t.Fatalf("%+v, %v", status, err)
	}
	for _, m := range status.Members {
		if m.Learner || !m.Answers {
			t.Errorf("%+v", m)
		}
	}
	// One that ends does not stop the others.
	_ = one.member.Close()
	two.put(t, "2")
	three.wantValue(t, "2")

	// It is removed and replaced, and its folder is refused, with nothing written.
	name := one.at.Advertise
	if err := two.member.Remove(within(t), name); err != nil {
		t.Fatal(err)
	}
	four := joined(t, three)
	four.wantValue(t, "2")
	before := listing(t, one.config.Data)
	_, err = cluster.Open(within(t), one.config)
	if !errors.Is(err, cluster.ErrRemoved) {
		t.Errorf("a removed member starts: %v", err)
	}
	if after := listing(t, one.config.Data); before != after {
		t.Errorf("before %s\nafter %s", before, after)
	}
	wantError(t, two.member.Remove(within(t), name), "is not a member", three.at.Advertise)

	// One that runs ends when it is removed, and says why.
	if err := two.member.Remove(within(t), four.at.Advertise); err != nil {
		t.Fatal(err)
	}
	select {
	case <-four.member.Done():
	case <-within(t).Done():
		t.Fatal("a removed member goes on")
	}
	if err := four.member.Err(); !errors.Is(err, cluster.ErrRemoved) {
		t.Errorf("a removed member ends with %v", err)
	}
}

// listing has the names, sizes and times of all files of a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			fmt.Fprintln(&all, path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestAllMembersRestartAtOnce(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	one.put(t, "x")
	for _, m := range []*machine{one, two} {
		_ = m.member.Close()
	}
	opened := make(chan error, 2)
	for _, m := range []*machine{one, two} {
		go func() {
			var err error
			m.member, err = cluster.Open(within(t), m.config)
			opened <- err
		}()
	}
	for range 2 {
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = one.member.Close(), two.member.Close() })
	two.wantValue(t, "x")
	status, err := one.member.Status(within(t))
	if err != nil || len(status.Members) != 2 {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestTokensAreGoodOnceAndForAWhile(t *testing.T) {
	t.Parallel()
	one := begin(t)
	used := one.token(t, time.Hour)
	two := newMachine(t)
	if err := two.join(t, one, used); err != nil {
		t.Fatal(err)
	}
	wantError(t, two.join(t, one, one.token(t, time.Hour)), "already has a member")
	wantError(t, newMachine(t).join(t, one, used), "used already")
	short := one.token(t, time.Millisecond)
	time.Sleep(2 * time.Millisecond)
	wantError(t, newMachine(t).join(t, one, short), "expired")

	good := string(one.token(t, time.Hour))
	last := good[len(good)-1:]
	flipped := map[bool]string{true: "1", false: "0"}[last == "0"]
	wantError(t, newMachine(t).join(t, one, cluster.Token(good[:len(good)-1]+flipped)), "unknown")
	for _, text := range []string{"", "K10", good[:len(good)-1], "K10" + good, strings.ToUpper(good), good[:20]} {
		wantError(t, newMachine(t).join(t, one, cluster.Token(text)), "K10HASH::ID:SECRET")
	}
	pin := strings.Repeat("0", 64)
	wantError(t, newMachine(t).join(t, one, cluster.Token("K10"+pin+good[67:])), "another cluster")
	if got := fmt.Sprintf("%v %+v %#v", cluster.Token(good), cluster.Token(good), cluster.Token(good)); strings.Contains(got, good[70:]) {
		t.Errorf("a token is printed: %s", got)
	}
	// A refused machine writes nothing and does not use up the token.
	again := newMachine(t)
	again.at.Advertise = one.at.Advertise
	wantError(t, again.join(t, one, cluster.Token(good)), "already is a member", "midas cluster remove")
	again.at.Advertise = "0.0.0.0:1"
	wantError(t, again.join(t, one, cluster.Token(good)), "--advertise")
	if entries, err := os.ReadDir(again.config.Data); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := newMachine(t).join(t, one, cluster.Token(good)); err != nil {
		t.Errorf("the token of a refused machine: %v", err)
	}
}

func TestTheLastVoterStays(t *testing.T) {
	t.Parallel()
	one := begin(t)
	wantError(t, one.member.Remove(within(t), one.at.Advertise), "only member")
}

// Of two members one does not answer: the other cannot be removed, and says so.
func TestAMajorityStays(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	three := joined(t, one)
	_ = three.member.Close()
	ctx := within(t)
	for {
		err := one.member.Remove(ctx, two.at.Advertise)
		if err != nil && strings.Contains(err.Error(), "no majority") {
			break
		}
		if err == nil {
			t.Fatal("removed")
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// Only members of the cluster may talk to etcd.
func TestStrangersCannotUseEtcd(t *testing.T) {
	t.Parallel()
	one, other := begin(t), begin(t)
	foreign, err := other.member.TLS()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{
		"nothing":                          {InsecureSkipVerify: true},
		"a certificate of another cluster": {InsecureSkipVerify: true, GetClientCertificate: foreign.GetClientCertificate},
	} {
		for _, address := range []string{one.at.Listen, one.member.Endpoint()} {
			conn, err := tls.Dial("tcp", address, config)
			if err == nil {
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, err = conn.Read(make([]byte, 1)) // with TLS 1.3 the refusal comes after the handshake
			}
			var timeout net.Error
			if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%s at %s: %v", name, address, err)
			}
		}
	}
}
