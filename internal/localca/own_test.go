package localca_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas/internal/keypair/keypairtest"
	"midas/internal/localca"
)

// openAll opens all authorities in a folder, for the name midas.test.
func openAll(t *testing.T, dir string, names ...string) localca.Authorities {
	t.Helper()
	a, err := localca.OpenAuthorities(t.Context(), localca.AuthoritiesConfig{
		Folder: dir, Now: time.Now, Names: names, AzureNames: []string{"management.azure.com", "*.identity.azure.net"},
		Log: slog.New(slog.DiscardHandler), Storage: localca.InFiles,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func pairOf(t *testing.T, leaf keypairtest.Leaf) *tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// accept makes a listener at an address of loopback, whose connections are greeted with a byte.
func accept(t *testing.T, at string, conf *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", at, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).HandshakeContext(context.Background())
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// shown is the issuer of the certificate that a client gets.
func shown(t *testing.T, address string, conf *tls.Config) string {
	t.Helper()
	conf.InsecureSkipVerify = conf.RootCAs == nil
	c, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: conf}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("%q %v: %v", conf.ServerName, conf.NextProtos, err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Issuer.CommonName
}

// TestWhoGetsTheOperatorsCertificate over real connections.
func TestWhoGetsTheOperatorsCertificate(t *testing.T) {
	company := keypairtest.New(t, "Company root")
	dotted, plain, address := company.Issue(t, nil, "midas.test", "*.corp.test"), company.Issue(t, nil, "midas", "midas.test"), company.Issue(t, nil, "midas.test", "127.0.0.2")
	a := openAll(t, t.TempDir(), "midas.test", "other.test", "127.0.0.2")
	own := pairOf(t, dotted)
	a.Own = func() *tls.Certificate { return own }
	conf, forAgents, err := a.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	at, second, agents := accept(t, "127.0.0.1:0", conf), accept(t, "127.0.0.2:0", conf), accept(t, "127.0.0.1:0", forAgents)
	ca, err := os.ReadFile(a.Local.Path())
	if err != nil {
		t.Fatal(err)
	}
	asks := append(localca.Protocols(ca), "h2", "http/1.1")
	for _, tt := range []struct {
		what, at, name string
		protocols      []string
		leaf           keypairtest.Leaf
		issuer         string
	}{
		{"its name", at, "midas.test", nil, dotted, "Company root"},
		{"its name in capitals", at, "MIDAS.test", nil, dotted, "Company root"},
		{"a name below its star", at, "a.corp.test", nil, dotted, "Company root"},
		{"a name that nobody knows", at, "load-balancer.test", nil, dotted, "Company root"},
		{"a name that only the authority has", at, "other.test", nil, dotted, "Midas local CA"},
		{"localhost", at, "localhost", nil, dotted, "Midas local CA"},
		{"Azure", at, "management.azure.com", nil, dotted, "Midas local CA"},
		{"below Azure", at, "x.identity.azure.net", nil, dotted, "Midas local CA"},
		{"no name, loopback", at, "", nil, dotted, "Midas local CA"},
		{"no name, another address", second, "", nil, dotted, "Midas local CA"},
		{"no name, its address", second, "", nil, address, "Company root"},
		{"no name, loopback, and it has another address", at, "", nil, address, "Midas local CA"},
		{"no name, loopback, and it has one without a dot", at, "", nil, plain, "Midas local CA"},
		{"its name, a client of the local authority", at, "midas.test", asks, dotted, "Midas local CA"},
		{"its name, a client of another authority of a Midas", at, "midas.test", []string{"midas-ca/00ff", "h2"}, dotted, "Company root"},
		{"its name, an agent at the listener for agents", agents, "midas.test", nil, dotted, "Midas local CA"},
	} {
		own = pairOf(t, tt.leaf)
		if got := shown(t, tt.at, &tls.Config{ServerName: tt.name, NextProtos: tt.protocols}); !strings.HasPrefix(got, tt.issuer) {
			t.Errorf("%s: issued by %q, want %q", tt.what, got, tt.issuer)
		}
	}
	own = pairOf(t, dotted)
	// Each client can verify what it gets.
	shown(t, at, &tls.Config{ServerName: "midas.test", RootCAs: company.Pool()})
	shown(t, at, &tls.Config{ServerName: "midas.test", RootCAs: fileRoots(t, a.Local.Path()), NextProtos: asks})
	shown(t, at, &tls.Config{ServerName: "management.azure.com", RootCAs: fileRoots(t, a.Azure.Path())})
}

// TestTrustedCertificatesFollowTheAuthorityInItsFile: ca.pem has the server's own authority first, in both kinds of
// storage, after another start and after the authority was issued anew.
func TestTrustedCertificatesFollowTheAuthorityInItsFile(t *testing.T) {
	one, two := keypairtest.New(t, "Company root").PEM(), keypairtest.New(t, "Next company root").PEM()
	dir, now := t.TempDir(), time.Now()
	all := func(others string) localca.Authorities {
		a, err := localca.OpenAuthorities(t.Context(), localca.AuthoritiesConfig{
			Folder: dir, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Storage: localca.InFiles, Trusted: []byte(others),
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	file := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	a := all("")
	alone := file()
	if strings.Count(alone, "BEGIN") != 1 {
		t.Fatalf("ca.pem:\n%s", alone)
	}
	if err := a.Local.Trust([]byte(one)); err != nil || file() != alone+one {
		t.Errorf("%v:\n%s", err, file())
	}
	a = all(two)
	if file() != alone+two {
		t.Errorf("after the next start:\n%s", file())
	}
	now = now.Add(9*365*day + 100*day)
	if err := a.Local.ReissueIfDue(); err != nil || strings.HasPrefix(file(), alone) || !strings.HasSuffix(file(), two) {
		t.Errorf("after it was issued anew: %v\n%s", err, file())
	}
	renewed := strings.TrimSuffix(file(), two)
	all("")
	if file() != renewed {
		t.Errorf("without the operator's certificate:\n%s", file())
	}
}

// TestTrustIsWrittenLaterIfTheFileCannotBeWrittenNow by the job that looks every minute.
func TestTrustIsWrittenLaterIfTheFileCannotBeWrittenNow(t *testing.T) {
	dir := t.TempDir()
	a := openAll(t, dir)
	text, err := os.ReadFile(a.Local.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.Local.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(a.Local.Path()+"/in-the-way", 0o700); err != nil {
		t.Fatal(err)
	}
	more := []byte(keypairtest.New(t, "Company root").PEM())
	if err := a.Local.Trust(more); err == nil {
		t.Error("no error")
	}
	if err := os.RemoveAll(a.Local.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.Local.Path(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Local.ReissueIfDue(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(a.Local.Path()); !bytes.HasSuffix(got, more) {
		t.Errorf("not written:\n%s", got)
	}
}

// TestProtocolsNameTheAuthoritiesOfMidasOnly: other roots say nothing about what the client wants.
func TestProtocolsNameTheAuthoritiesOfMidasOnly(t *testing.T) {
	a, b := openAll(t, t.TempDir()), openAll(t, t.TempDir())
	one, _ := os.ReadFile(a.Local.Path())
	two, _ := os.ReadFile(b.Local.Path())
	foreign := keypairtest.New(t, "Company root").PEM()
	if got := localca.Protocols([]byte(foreign + "junk")); got != nil {
		t.Errorf("a company's root: %v", got)
	}
	if got := localca.Protocols(nil); got != nil {
		t.Errorf("no roots: %v", got)
	}
	all := localca.Protocols(append(append([]byte(foreign), one...), two...))
	if len(all) != 2 || all[0] == all[1] || len(all[0]) > 255 {
		t.Errorf("two authorities: %v", all)
	}
}
