// Package keypairtest issues the certificates of tests: those that an operator would get from another authority.
package keypairtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority is a certificate authority.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
	above       []byte // in PEM: the certificates of the authorities between this one and the root, with its own
}

// Leaf is a server's certificate.
type Leaf struct {
	Cert  string // in PEM, with the intermediate certificates
	Alone string // in PEM, without them
	Key   string // in PEM
	X509  *x509.Certificate
}

// New makes a root.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	return NewLimited(t, name, func(*x509.Certificate) {})
}

// NewLimited makes a root with name constraints, which are critical.
func NewLimited(t testing.TB, name string, limit func(*x509.Certificate)) *Authority {
	t.Helper()
	key := newKey(t)
	template := authority(t, name)
	limit(template)
	template.PermittedDNSDomainsCritical = len(template.PermittedDNSDomains)+len(template.PermittedIPRanges) > 0
	return &Authority{Certificate: sign(t, template, template, key.Public(), key), key: key}
}

// Below makes an intermediate authority.
func (a *Authority) Below(t testing.TB, name string) *Authority {
	t.Helper()
	key := newKey(t)
	cert := sign(t, authority(t, name), a.Certificate, key.Public(), a.key)
	return &Authority{Certificate: cert, key: key, above: append(encode("CERTIFICATE", cert.Raw), a.above...)}
}

// PEM is the authority's certificate.
func (a *Authority) PEM() string { return string(encode("CERTIFICATE", a.Certificate.Raw)) }

// Pool is a set of roots with this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// Issue makes a certificate for host names and addresses, which is valid for a day unless change says otherwise.
func (a *Authority) Issue(t testing.TB, change func(*x509.Certificate), names ...string) Leaf {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "operator's certificate"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if change != nil {
		change(template)
	}
	return a.issue(t, newKey(t), template)
}

// IssueFor makes a certificate for a key and a host name.
func (a *Authority) IssueFor(t testing.TB, key crypto.Signer, name string) Leaf {
	t.Helper()
	return a.issue(t, key, &x509.Certificate{
		SerialNumber: serial(t), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name},
	})
}

func (a *Authority) issue(t testing.TB, key crypto.Signer, template *x509.Certificate) Leaf {
	t.Helper()
	cert := sign(t, template, a.Certificate, key.Public(), a.key)
	alone := encode("CERTIFICATE", cert.Raw)
	return Leaf{Cert: string(alone) + string(a.above), Alone: string(alone), Key: privateKey(t, key), X509: cert}
}

// SelfSigned makes a certificate that is its own issuer.
func SelfSigned(t testing.TB, name string) Leaf {
	t.Helper()
	key, template := newKey(t), authority(t, name)
	template.IsCA, template.KeyUsage, template.DNSNames = false, x509.KeyUsageDigitalSignature, []string{name}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	cert := sign(t, template, template, key.Public(), key)
	text := string(encode("CERTIFICATE", cert.Raw))
	return Leaf{Cert: text, Alone: text, Key: privateKey(t, key), X509: cert}
}

func privateKey(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(encode("PRIVATE KEY", der))
}

func authority(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func sign(t testing.TB, template, parent *x509.Certificate, key crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
