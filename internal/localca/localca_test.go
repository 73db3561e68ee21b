package localca_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/localca"
)

const day = 24 * time.Hour

func open(t *testing.T, dir string, now func() time.Time, names ...string) *localca.CA {
	t.Helper()
	ca, err := localca.Open(dir, now, names...)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// fileRoots are the roots of a client that trusts only the file.
func fileRoots(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatalf("%s holds no certificate", path)
	}
	return pool
}

// listen serves TLS with the authority's configuration, answering each handshake with a byte.
func listen(t *testing.T, ca *localca.CA, others ...*localca.CA) string {
	t.Helper()
	conf, err := ca.ServerConfig(others...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{1}) // handshakes first
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// dial connects as a client that trusts roots and expects name, at the given time.
func dial(addr, name string, roots *x509.CertPool, at time.Time) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: name, Time: func() time.Time { return at }})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestAuthorityIsValidForItsNamesOnly(t *testing.T) {
	dir := t.TempDir()
	ca := open(t, dir, time.Now, "Midas.Test", "192.0.2.7")
	addr, roots := listen(t, ca), fileRoots(t, ca.Path())
	for name, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "midas.test": true, "192.0.2.7": true,
		"example.com": false, "192.0.2.8": false, "127.0.0.2": false,
	} {
		if _, err := dial(addr, name, roots, time.Now()); (err == nil) != want {
			t.Errorf("dial as %s: %v", name, err)
		}
	}
}

// The second authority has other names. Neither authority is valid for the names of the other, and the
// server uses the certificate of the requested server name.
func TestAuthoritiesAreIndependent(t *testing.T) {
	own, err := localca.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := localca.OpenFor(t.TempDir(), time.Now, "Cloud.Example")
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, own, foreign)
	for name, c := range map[string]struct{ good, bad *localca.CA }{
		"localhost": {own, foreign}, "127.0.0.1": {own, foreign}, "cloud.example": {foreign, own}, "CLOUD.example": {foreign, own},
	} {
		if _, err := dial(addr, name, fileRoots(t, c.good.Path()), time.Now()); err != nil {
			t.Errorf("%s with its own authority: %v", name, err)
		}
		if _, err := dial(addr, name, fileRoots(t, c.bad.Path()), time.Now()); err == nil {
			t.Errorf("%s is trusted with the other authority", name)
		}
	}
	if _, err := foreign.Certificate("localhost"); err == nil {
		t.Error("the second authority issued a certificate for localhost")
	}
}

func TestOpenSSLVerifiesTheServerCertificate(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	if _, err := ca.ServerConfig(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-verify_hostname", "localhost"}, {"-verify_ip", "127.0.0.1"}, {"-verify_ip", "::1"}} {
		args = append([]string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca.Path()}, args...)
		out, err := exec.CommandContext(t.Context(), openssl, append(args, filepath.Join(dir, "server.pem"))...).CombinedOutput()
		if err != nil {
			t.Errorf("openssl %v: %s", args, out)
		}
	}
}

// steal signs a certificate for any name with the authority's key, as an attacker with the key would.
func steal(t *testing.T, dir string, tmpl *x509.Certificate) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber = big.NewInt(1)
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey).Public(), pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestStolenKeyIsLimitedByNameConstraints(t *testing.T) {
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	roots := fileRoots(t, ca.Path())
	for name, c := range map[string]struct {
		tmpl x509.Certificate
		want bool
	}{
		"its own name":       {x509.Certificate{DNSNames: []string{"localhost"}}, true},
		"another name":       {x509.Certificate{DNSNames: []string{"login.microsoftonline.com"}}, false},
		"one among its own":  {x509.Certificate{DNSNames: []string{"localhost", "example.com"}}, false},
		"another address":    {x509.Certificate{IPAddresses: []net.IP{net.IPv4(8, 8, 8, 8)}}, false},
		"another v6 address": {x509.Certificate{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := steal(t, dir, &c.tmpl).Verify(x509.VerifyOptions{Roots: roots})
			if (err == nil) != c.want {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestConstraintsAreCritical(t *testing.T) {
	ca := open(t, t.TempDir(), time.Now)
	data, err := os.ReadFile(ca.Path())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !cert.PermittedDNSDomainsCritical || !cert.MaxPathLenZero || !cert.IsCA {
		t.Errorf("critical %v, path length zero %v, CA %v", cert.PermittedDNSDomainsCritical, cert.MaxPathLenZero, cert.IsCA)
	}
}

func TestCertificateRefusesNamesThatAreNotPermitted(t *testing.T) {
	ca := open(t, t.TempDir(), time.Now)
	for _, name := range []string{"example.com", "10.0.0.1", "", "a b", "*.localhost", "fe80::1%eth0"} {
		if _, err := ca.Certificate(name); err == nil {
			t.Errorf("a certificate for %q was issued", name)
		}
	}
}

func TestLaterOpensReuseAllFiles(t *testing.T) {
	dir := t.TempDir()
	first := map[string][]byte{}
	for i := range 2 {
		if _, err := open(t, dir, time.Now).ServerConfig(); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]fs.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o600} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first[name] = data
			}
			if !bytes.Equal(data, first[name]) {
				t.Errorf("%s has changed after the second open", name)
			}
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s: mode %v, want %v", name, info.Mode(), mode)
			}
		}
	}
}

func TestServerCertificateIsRenewedWhileServing(t *testing.T) {
	start := time.Now()
	now := start
	ca := open(t, t.TempDir(), func() time.Time { return now })
	conf, err := ca.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		cert, err := conf.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: fileRoots(t, ca.Path()), CurrentTime: now, DNSName: "localhost"}); err != nil {
			t.Errorf("after %v: %v", now.Sub(start), err)
		}
		return cert.Leaf.SerialNumber.String()
	}
	first := serial()
	if now = start.Add(59 * day); serial() != first {
		t.Error("renewed long before its end")
	}
	if now = start.Add(61 * day); serial() == first {
		t.Error("not renewed in its last 30 days")
	}
}

func TestOldAuthorityIsReissuedWithTheSameKey(t *testing.T) {
	dir, start := t.TempDir(), time.Now()
	old := open(t, dir, func() time.Time { return start })
	oldRoots := fileRoots(t, old.Path())
	later := start.Add(9*365*day + day)
	renewed := open(t, dir, func() time.Time { return later })
	cert, err := renewed.Certificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		roots *x509.CertPool
		at    time.Time
	}{
		"a client with the old file": {oldRoots, later},
		"a client with the new file": {fileRoots(t, renewed.Path()), start.Add(11 * 365 * day)},
	} {
		at := c.at
		if cert.Leaf.NotAfter.Before(at) {
			at = cert.Leaf.NotAfter.Add(-day)
		}
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: c.roots, CurrentTime: at, DNSName: "localhost"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, _ := os.ReadFile(old.Path()); !fileRoots(t, old.Path()).Equal(renewed.Pool()) {
		t.Errorf("the file is not the renewed certificate: %s", data)
	}
}

func TestAddedNameIsPermitted(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, time.Now, "one.test")
	ca := open(t, dir, time.Now, "two.test")
	addr, roots := listen(t, ca), fileRoots(t, ca.Path())
	if _, err := dial(addr, "two.test", roots, time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := ca.Certificate("one.test"); err != nil {
		t.Errorf("an earlier name is not permitted any more: %v", err)
	}
}

// A root with the constraints of an earlier start excludes every certificate that has another name too, so clients
// that keep it need certificates for their name alone.
func TestClientsWithAnOlderRootGoOn(t *testing.T) {
	dir := t.TempDir()
	roots := fileRoots(t, open(t, dir, time.Now, "one.test").Path())
	addr := listen(t, open(t, dir, time.Now, "one.test", "two.test", "10.1.2.3"))
	for _, name := range []string{"one.test", "ONE.test", "localhost"} {
		if _, err := dial(addr, name, roots, time.Now()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := dial(addr, "two.test", roots, time.Now()); err == nil {
		t.Error("the older root permits the new name")
	}
	if _, err := dial(addr, "127.0.0.1", fileRoots(t, filepath.Join(dir, "ca.pem")), time.Now()); err != nil {
		t.Errorf("a client with the new file and an address: %v", err)
	}
}

func TestForeignServerFileIsNeitherUsedNorOverwritten(t *testing.T) {
	elsewhere := open(t, t.TempDir(), time.Now, "one.test")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"one.test"}, NotAfter: time.Now().Add(day), Subject: pkix.Name{CommonName: "one.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for name, content := range map[string][]byte{
		"a certificate":         certificate,
		"a key":                 private,
		"both":                  slices.Concat(private, certificate),
		"a damaged certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[:40]}),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "server.pem")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			ca := open(t, dir, time.Now, "one.test")
			if _, err := dial(listen(t, ca), "one.test", fileRoots(t, ca.Path()), time.Now()); err != nil {
				t.Error(err)
			}
			if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	t.Run("the certificate of an earlier authority of Midas is replaced", func(t *testing.T) {
		if _, err := elsewhere.ServerConfig(); err != nil {
			t.Fatal(err)
		}
		old, err := os.ReadFile(filepath.Join(filepath.Dir(elsewhere.Path()), "server.pem"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "server.pem")
		if err := os.WriteFile(file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir, time.Now, "one.test").ServerConfig(); err != nil {
			t.Fatal(err)
		}
		if data, _ := os.ReadFile(file); bytes.Equal(data, old) {
			t.Error("it was kept")
		}
	})
}

func TestAddedNamesAreLogged(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, time.Now, "one.test")
	var log strings.Builder
	open(t, dir, time.Now, "two.test").LogTo(slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), "two.test") || !strings.Contains(log.String(), "need the new ca.pem") {
		t.Errorf("log: %q", log.String())
	}
}

func TestConcurrentFirstOpensAgree(t *testing.T) {
	dir := t.TempDir()
	cas := make([]*localca.CA, 8)
	var wg sync.WaitGroup
	for i := range cas {
		wg.Go(func() {
			var err error
			if cas[i], err = localca.Open(dir, time.Now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	roots := fileRoots(t, filepath.Join(dir, "ca.pem"))
	for _, ca := range cas {
		if ca == nil {
			continue
		}
		cert, err := ca.Certificate("localhost")
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			t.Errorf("the certificate is of another authority: %v", err)
		}
	}
}

func TestInterruptedFirstOpenIsCompleted(t *testing.T) {
	for _, lost := range []string{"ca.pem", "server.pem"} {
		dir := t.TempDir()
		if _, err := open(t, dir, time.Now).ServerConfig(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		ca := open(t, dir, time.Now)
		if _, err := dial(listen(t, ca), "localhost", fileRoots(t, ca.Path()), time.Now()); err != nil {
			t.Errorf("without %s: %v", lost, err)
		}
	}
}

func TestDamagedFilesAreReported(t *testing.T) {
	other := t.TempDir()
	open(t, other, time.Now)
	foreign, err := os.ReadFile(filepath.Join(other, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    string
	}{
		"key is not PEM":       {"ca-key.pem", []byte("rubbish"), "ca-key.pem holds no private key"},
		"key cut short":        {"ca-key.pem", []byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"), "ca-key.pem is damaged"},
		"certificate is empty": {"ca.pem", nil, "ca.pem holds no certificate"},
		"foreign certificate":  {"ca.pem", foreign, "does not belong to ca-key.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir, time.Now)
			if err := os.WriteFile(filepath.Join(dir, c.file), c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := localca.Open(dir, time.Now); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	if _, err := open(t, dir, time.Now).ServerConfig(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, time.Now).ServerConfig(); err != nil {
		t.Errorf("a damaged server certificate was not replaced: %v", err)
	}
}
