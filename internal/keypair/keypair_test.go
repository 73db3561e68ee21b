package keypair_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/keypair"
	"midas/internal/keypair/keypairtest"
)

const host = "midas.test"

// files are the operator's files of a test.
type files struct {
	dir, cert, key, ca string
	log                bytes.Buffer
}

func newFiles(t *testing.T) *files {
	t.Helper()
	dir := t.TempDir()
	return &files{dir: dir, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), ca: filepath.Join(dir, "ca.crt")}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put writes a certificate, its key and, unless it is empty, the file of the authorities.
func (f *files) put(t *testing.T, cert, key, ca string) {
	t.Helper()
	write(t, f.cert, cert)
	write(t, f.key, key)
	if ca != "" {
		write(t, f.ca, ca)
	}
}

func (f *files) open(t *testing.T) (*keypair.Pair, error) {
	t.Helper()
	cfg := keypair.Config{Cert: f.cert, Key: f.key, Now: time.Now, Log: slog.New(slog.NewTextHandler(&f.log, nil))}
	if _, err := os.Stat(f.ca); err == nil {
		cfg.CA = f.ca
	}
	p, err := keypair.Open(cfg)
	if err == nil {
		err = p.Require(host)
	}
	return p, err
}

// has wants that the certificate in use is a leaf.
func has(t *testing.T, p *keypair.Pair, leaf keypairtest.Leaf) {
	t.Helper()
	if !p.Certificate().Leaf.Equal(leaf.X509) {
		t.Errorf("the certificate in use is %v, want %v", p.Certificate().Leaf.SerialNumber, leaf.X509.SerialNumber)
	}
}

func encrypted(t *testing.T, key string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(key))
	//lint:ignore SA1019 what old tools write
	locked, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", block.Bytes, []byte("x"), x509.PEMCipherAES256) //nolint:staticcheck // the same
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(locked))
}

func TestFilesThatCannotBeUsedAreRefused(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	middle := root.Below(t, "Company issuer")
	good, other := middle.Issue(t, nil, host), middle.Issue(t, nil, host)
	elsewhere := middle.Issue(t, nil, "other.test", "10.1.2.3")
	expired := middle.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, host)
	early := middle.Issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, host)
	nameless, forClients := middle.Issue(t, nil), middle.Issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, host)
	for name, tt := range map[string]struct {
		cert, key, ca string
		want          []string
	}{
		"the key of another certificate":      {good.Cert, other.Key, root.PEM(), []string{"tls.key", "does not belong to the certificate"}},
		"expired":                             {expired.Cert, expired.Key, root.PEM(), []string{"expired at"}},
		"not valid yet":                       {early.Cert, early.Key, root.PEM(), []string{"not valid before"}},
		"for another host":                    {elsewhere.Cert, elsewhere.Key, root.PEM(), []string{"is for other.test, 10.1.2.3", "not for midas.test", "origin"}},
		"without names":                       {nameless.Cert, nameless.Key, root.PEM(), []string{"has no names"}},
		"for clients":                         {forClients.Cert, forClients.Key, root.PEM(), []string{"serverAuth"}},
		"the chain is missing":                {good.Alone, good.Key, "", []string{"lacks the certificate of the issuer", "Company issuer", "tls.ca"}},
		"the chain is missing, with the root": {good.Alone, good.Key, root.PEM(), []string{"lacks the certificate of the issuer", "Company issuer"}},
		"the order is wrong":                  {middle.PEM() + good.Alone, good.Key, root.PEM(), []string{"not the first one"}},
		"exchanged":                           {good.Key, good.Cert, root.PEM(), []string{"exchanged"}},
		"no certificate":                      {"hello", good.Key, root.PEM(), []string{"tls.cert", "no certificate in PEM"}},
		"a damaged one":                       {strings.Replace(good.Cert, "M", "A", 1), good.Key, root.PEM(), []string{"damaged"}},
		"no key":                              {good.Cert, good.Cert, root.PEM(), []string{"tls.key", "no private key in PEM"}},
		"an encrypted key":                    {good.Cert, encrypted(t, good.Key), root.PEM(), []string{"is encrypted", "openssl pkey"}},
		"an encrypted key of PKCS #8":         {good.Cert, strings.ReplaceAll(good.Key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), root.PEM(), []string{"is encrypted"}},
		"a damaged key":                       {good.Cert, strings.Replace(good.Key, "M", "A", 1), root.PEM(), []string{"tls.key", "damaged"}},
		"no root in its file":                 {good.Cert, good.Key, "hello", []string{"tls.ca", "no certificate in PEM"}},
		"too large":                           {good.Cert + strings.Repeat("x", 1<<20), good.Key, root.PEM(), []string{"more than"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			f.put(t, tt.cert, tt.key, tt.ca)
			_, err := f.open(t)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "BEGIN") {
				t.Error("the error has the content of a file")
			}
		})
	}
	t.Run("a pipe, and no file", func(t *testing.T) {
		f := newFiles(t)
		f.put(t, good.Cert, good.Key, "")
		_ = os.Remove(f.key)
		if _, err := f.open(t); err == nil || !strings.Contains(err.Error(), "tls.key") || !strings.Contains(err.Error(), f.key) {
			t.Error(err)
		}
		if err := syscall.Mkfifo(f.key, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.open(t); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Error(err)
		}
	})
}

// TestKeysThatTLSCannotUseAreRefused has keys that belong to their certificate, with which handshakes fail.
func TestKeysThatTLSCannotUseAreRefused(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	signer := func(key crypto.Signer, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	p224 := signer(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	p521 := signer(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	small := signer(rsa.GenerateKey(rand.Reader, 1024)) //nolint:gosec // what the server refuses
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		key  crypto.Signer
		want string // empty: it is used
	}{
		"P-224":              {p224, "the curve P-224"},
		"RSA with 1024 bits": {small, "RSA with 1024 bits"},
		"P-521":              {p521, ""},
		"Ed25519":            {edwards, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, leaf := newFiles(t), root.IssueFor(t, tt.key, host)
			f.put(t, leaf.Cert, leaf.Key, root.PEM())
			_, err := f.open(t)
			if (err == nil) != (tt.want == "") || err != nil && !(strings.Contains(err.Error(), "tls.key") && strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

// TestChainsLeadToWhatClientsNeed: Trusted has the root, wherever it was found.
func TestChainsLeadToWhatClientsNeed(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	middle := root.Below(t, "Company issuer")
	good, direct := middle.Issue(t, nil, host), root.Issue(t, nil, host)
	further := keypairtest.New(t, "The root of a proxy")
	for name, tt := range map[string]struct {
		cert, key, ca, trusted, warning string
	}{
		"the root is named":                       {good.Cert, good.Key, root.PEM(), root.PEM(), ""},
		"among others":                            {good.Cert, good.Key, further.PEM() + root.PEM(), further.PEM() + root.PEM(), ""},
		"the root is in the chain":                {good.Cert + root.PEM(), good.Key, "", root.PEM(), ""},
		"the root has issued it":                  {direct.Cert, direct.Key, root.PEM(), root.PEM(), ""},
		"nobody knows the root":                   {good.Cert, good.Key, "", middle.PEM(), "Company root"},
		"with the byte order mark of an editor":   {"\ufeff" + good.Cert, "\ufeff" + good.Key, "\ufeff" + root.PEM(), root.PEM(), ""},
		"the certificate and its key in one file": {good.Key + good.Cert, good.Key + good.Cert, root.PEM(), root.PEM(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			f.put(t, tt.cert, tt.key, tt.ca)
			p, err := f.open(t)
			if err != nil {
				t.Fatal(err)
			}
			if string(p.Trusted()) != tt.trusted {
				t.Errorf("trusted:\n%s", p.Trusted())
			}
			if warnings := strings.Join(p.Warnings(), ";"); (warnings == "") != (tt.warning == "") || !strings.Contains(warnings, tt.warning) {
				t.Errorf("warnings: %q", warnings)
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(p.Trusted())
			between := x509.NewCertPool()
			for _, der := range p.Certificate().Certificate[1:] {
				one, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				between.AddCert(one)
			}
			if _, err := p.Certificate().Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host}); err != nil {
				t.Errorf("a client that trusts these: %v", err)
			}
		})
	}
	t.Run("a certificate that is its own issuer", func(t *testing.T) {
		f := newFiles(t)
		own := keypairtest.SelfSigned(t, host)
		f.put(t, own.Cert, own.Key, "")
		p, err := f.open(t)
		if err != nil || string(p.Trusted()) != own.Cert || len(p.Warnings()) > 0 {
			t.Errorf("%v: %v", p, err)
		}
	})
	t.Run("no certificate, but the authority of a proxy", func(t *testing.T) {
		f := newFiles(t)
		write(t, f.ca, further.PEM())
		p, err := keypair.Open(keypair.Config{CA: f.ca, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil || p.Certificate() != nil || string(p.Trusted()) != further.PEM() || p.Require("any.test") != nil {
			t.Errorf("%v: %v", p, err)
		}
	})
}

func TestAKeyThatOthersCanReadIsReported(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	leaf := root.Issue(t, nil, host)
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o604: true} {
		f := newFiles(t)
		f.put(t, leaf.Cert, leaf.Key, root.PEM())
		if err := os.Chmod(f.key, mode); err != nil {
			t.Fatal(err)
		}
		p, err := f.open(t)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Warnings(), ";"); strings.Contains(got, "all users of this machine can read") != warns {
			t.Errorf("mode %o: %q", mode, got)
		}
	}
}

// TestAPairInTheMiddleOfItsRenewalIsTriedAgain: some programs write the certificate and the key one after the other.
func TestAPairInTheMiddleOfItsRenewalIsTriedAgain(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	first, second := root.Issue(t, nil, host), root.Issue(t, nil, host)
	f := newFiles(t)
	f.put(t, first.Cert, first.Key, root.PEM())
	p, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	p.OnChange(func([]byte) { changes++ })
	write(t, f.cert, second.Cert)
	for range 3 {
		if err := p.Reload(); err == nil || !p.Unused() {
			t.Errorf("the key of the earlier certificate was accepted: %v", err)
		}
		has(t, p, first)
	}
	if n := strings.Count(f.log.String(), "does not belong to"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, &f.log)
	}
	write(t, f.key, second.Key)
	if err := p.Reload(); err != nil || p.Unused() || changes != 1 {
		t.Errorf("%v, %d changes", err, changes)
	}
	has(t, p, second)
	for name, bad := range map[string]keypairtest.Leaf{
		"expired": root.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, host), "another host": root.Issue(t, nil, "other.test"),
	} {
		f.put(t, bad.Cert, bad.Key, "")
		if err := p.Reload(); err == nil || !p.Unused() {
			t.Errorf("%s: accepted", name)
		}
		has(t, p, second)
	}
	if err := os.Remove(f.cert); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err == nil {
		t.Error("no file, and no error")
	}
	has(t, p, second)
	f.put(t, second.Cert, second.Key, "")
	if err := p.Reload(); err != nil || p.Unused() || changes != 1 {
		t.Errorf("the earlier files are back: %v, %d changes", err, changes)
	}
}

// TestSwappedLinksAreNoticed: Kubernetes replaces the link to the folder of a Secret, and the time and the size of the
// files need not change.
func TestSwappedLinksAreNoticed(t *testing.T) {
	root := keypairtest.New(t, "Company root")
	dir, at := t.TempDir(), time.Now().Add(-time.Hour)
	put := func(folder string, leaf keypairtest.Leaf) {
		folder = filepath.Join(dir, folder)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "ca.crt": root.PEM()} {
			write(t, filepath.Join(folder, name), text)
			if err := os.Chtimes(filepath.Join(folder, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap := func(folder string) {
		if err := os.Symlink(folder, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	first, second := root.Issue(t, nil, host), root.Issue(t, nil, host)
	put("..1", first)
	put("..2", second)
	swap("..1")
	f := &files{}
	for name, into := range map[string]*string{"tls.crt": &f.cert, "tls.key": &f.key, "ca.crt": &f.ca} {
		*into = filepath.Join(dir, name)
		if err := os.Symlink(filepath.Join("..data", name), *into); err != nil {
			t.Fatal(err)
		}
	}
	p, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	has(t, p, first)
	swap("..2")
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	has(t, p, second)
}

func TestFilesAreReadAgainByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := keypairtest.New(t, "Company root")
		leaf := func(life time.Duration) keypairtest.Leaf {
			return root.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(life) }, host)
		}
		first, second := leaf(20*time.Hour), leaf(30*time.Hour)
		f := newFiles(t)
		f.put(t, first.Cert, first.Key, root.PEM())
		p, err := f.open(t)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = p.Run(ctx) }()
		defer synctest.Wait()
		defer cancel()
		synctest.Wait()
		f.put(t, second.Cert, second.Key, "")
		time.Sleep(keypair.Interval + time.Second)
		has(t, p, second)

		// The end is announced once a day when a fifth of the life is left, and with other words when it is there.
		time.Sleep(23 * time.Hour)
		if strings.Contains(f.log.String(), "ends soon") {
			t.Errorf("announced early: %s", &f.log)
		}
		time.Sleep(5 * time.Hour)
		if n := strings.Count(f.log.String(), "ends soon"); n != 1 {
			t.Errorf("announced %d times: %s", n, &f.log)
		}
		time.Sleep(24 * time.Hour)
		if !strings.Contains(f.log.String(), "level=ERROR") || !strings.Contains(f.log.String(), "has expired") {
			t.Error("the end is not in the log")
		}
		third := leaf(time.Hour)
		f.put(t, third.Cert, third.Key, "")
		time.Sleep(keypair.Interval + time.Second)
		has(t, p, third)
	})
}
