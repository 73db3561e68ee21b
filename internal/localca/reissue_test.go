package localca_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"midas/internal/localca"
)

// usable fails the test unless a client with the current ca.pem trusts the server now.
func usable(t *testing.T, ca *localca.CA, conf *tls.Config, now time.Time) {
	t.Helper()
	cert, err := conf.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: fileRoots(t, ca.Path()), CurrentTime: now, DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
}

// Whatever the clock showed before, NotBefore and NotAfter of the authority are checked when it is opened
// and while it is used, and a reissue is logged.
func TestAuthorityIsReissuedAfterTheClockWasSet(t *testing.T) {
	for name, was := range map[string]time.Duration{
		"years ahead": 20 * 365 * day, "a day ahead": day, "years behind": -20 * 365 * day, "in its last year": -9*365*day - day,
	} {
		t.Run("opened "+name, func(t *testing.T) {
			dir, now := t.TempDir(), time.Now()
			key := open(t, dir, func() time.Time { return now.Add(was) })
			if _, err := key.ServerConfig(); err != nil {
				t.Fatal(err)
			}
			before := fileRoots(t, key.Path())
			ca := open(t, dir, func() time.Time { return now })
			log := &bytes.Buffer{}
			ca.LogTo(slog.New(slog.NewTextHandler(log, nil)))
			conf, err := ca.ServerConfig()
			if err != nil {
				t.Fatal(err)
			}
			usable(t, ca, conf, now)
			if fileRoots(t, ca.Path()).Equal(before) || !strings.Contains(log.String(), "issued anew") {
				t.Errorf("the certificate was not reissued, or the log does not say so: %s", log)
			}
		})
		t.Run("running since "+name, func(t *testing.T) {
			start := time.Now()
			now := start.Add(was)
			ca := open(t, t.TempDir(), func() time.Time { return now })
			log := &bytes.Buffer{}
			ca.LogTo(slog.New(slog.NewTextHandler(log, nil)))
			conf, err := ca.ServerConfig()
			if err != nil {
				t.Fatal(err)
			}
			usable(t, ca, conf, now)
			if now = start; ca.ReissueIfDue() != nil {
				t.Fatal("ReissueIfDue")
			}
			usable(t, ca, conf, now)
			if n := strings.Count(log.String(), "issued anew"); n != 1 {
				t.Errorf("the reissue was logged %d times: %s", n, log)
			}
			if err := ca.ReissueIfDue(); err != nil || strings.Count(log.String(), "issued anew") != 1 {
				t.Errorf("issued again without need: %v", err)
			}
		})
	}
}

func TestValidAuthorityIsNotReissued(t *testing.T) {
	now := time.Now()
	ca := open(t, t.TempDir(), func() time.Time { return now })
	before := fileRoots(t, ca.Path())
	for _, d := range []time.Duration{0, day, 8 * 365 * day, -9*time.Minute - 8*365*day} {
		now = now.Add(d)
		if err := ca.ReissueIfDue(); err != nil || !fileRoots(t, ca.Path()).Equal(before) {
			t.Errorf("issued anew after %v (%v)", d, err)
		}
	}
}

// A certificate that could not be written is used, and written later.
func TestWriteOfTheAuthorityIsRetried(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root may write everywhere: a folder takes the file's place")
	}
	now := time.Now()
	ca := open(t, t.TempDir(), func() time.Time { return now })
	if err := os.Remove(ca.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(ca.Path()+"/in-the-way", 0o700); err != nil {
		t.Fatal(err)
	}
	now = now.Add(20 * 365 * day)
	for range 2 {
		if ca.ReissueIfDue() == nil {
			t.Fatal("ReissueIfDue returned no error, but the file cannot be written")
		}
	}
	cert, err := ca.Certificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: now, DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(ca.Path()); err != nil {
		t.Fatal(err)
	}
	if err := ca.ReissueIfDue(); err != nil || !fileRoots(t, ca.Path()).Equal(ca.Pool()) {
		t.Errorf("not written later: %v", err)
	}
}

// A server accepts its hosts after their authority was reissued.
func TestHostsAuthenticateAfterTheirAuthorityWasReissued(t *testing.T) {
	start := time.Now()
	now := start.Add(20 * 365 * day) // the server was started with a wrong clock
	clock := func() time.Time { return now }
	ca := open(t, t.TempDir(), clock)
	hosts, err := localca.OpenHosts(t.TempDir(), clock)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := ca.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	served := hosts.ClientConfig(conf)
	now = start
	if err := ca.ReissueIfDue(); err != nil {
		t.Fatal(err)
	}
	pair := hostPair(t, hosts, now.Add(day))
	l, err := tls.Listen("tcp", "127.0.0.1:0", served)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	chains := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			chains <- -1
			return
		}
		defer conn.Close()
		_ = conn.(*tls.Conn).HandshakeContext(context.Background())
		_, _ = conn.Write([]byte("x"))
		chains <- len(conn.(*tls.Conn).ConnectionState().VerifiedChains)
	}()
	dial := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{
		RootCAs: fileRoots(t, ca.Path()), ServerName: "localhost", NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
	}}
	conn, err := dial.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if n := <-chains; n != 1 {
		t.Errorf("%d chains were verified", n)
	}
	if p := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Errorf("the protocol is %q", p)
	}
}

// hostPair is a host's certificate with its key.
func hostPair(t *testing.T, ca *localca.HostCA, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	certificate, err := ca.Certify(request, "h", &url.URL{Scheme: "midas"}, end)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

func TestNotBeforeOfSignerAndServerCertificateIsChecked(t *testing.T) {
	start := time.Now()
	now := start.Add(365 * day)
	ca := open(t, t.TempDir(), func() time.Time { return now })
	conf, err := ca.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	signer := ca.Signer()
	if _, err := signer.Sign(nil); err != nil {
		t.Fatal(err)
	}
	now = start
	usable(t, ca, conf, now) // without a call of ReissueIfDue: each use of the certificate checks it
	signed, err := signer.Sign(nil)
	if err != nil {
		t.Fatal(err)
	}
	if leaf := signerOf(t, signed); now.Before(leaf.NotBefore) {
		t.Errorf("documents are signed with a certificate that begins at %v", leaf.NotBefore)
	}
}
