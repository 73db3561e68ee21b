// Package localca is a certificate authority in a folder. Clients trust one file, ca.pem, so TLS works on a
// developer's machine without another tool.
//
// The authority's certificate has critical name constraints: it is valid only for localhost, 127.0.0.1, ::1
// and the configured names, so that a stolen key cannot certify other names. The key is ECDSA P-256, in
// ca-key.pem, readable by its owner only. OpenFor opens a separate authority for names that belong to
// others, such as Azure's, so that clients can trust the first one without the second. OpenHosts opens a
// separate authority for host certificates, which are valid for TLS clients only.
//
// The files are created on first use, atomically, even if several processes start at the same time. The
// authority's certificate is reissued with the same key and name if names are added, if it expires soon,
// or if it is not valid yet because the clock was ahead when it was issued. Open and ReissueIfDue check that. The
// server's certificate (server.pem, with its key) is renewed while serving.
package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/atomicfile"
)

// The files in the authority's folder.
const (
	CertificateFile = "ca.pem"
	keyFile         = "ca-key.pem"
	serverFile      = "server.pem"
)

// Lifetimes. Clients accept leaves of at most 398 days; short ones prove that renewal works.
const (
	authorityLife  = 10 * 365 * 24 * time.Hour
	authorityRenew = 365 * 24 * time.Hour // before its end
	leafLife       = 90 * 24 * time.Hour
	leafRenew      = 30 * 24 * time.Hour // before its end
	backdate       = time.Hour           // for clients with a slow clock
)

// CA is an open certificate authority. It is safe for concurrent use.
type CA struct {
	dir   string
	now   func() time.Time
	names []string // the names in the server's certificate
	role  role
	key   *ecdsa.PrivateKey

	cert      atomic.Pointer[x509.Certificate]
	issuing   sync.Mutex
	unwritten bool         // the certificate could not be written; under issuing
	log       *slog.Logger // never nil
	notes     []string     // why the certificate was issued anew when it was opened
}

// role is the purpose of an authority.
type role struct {
	title  string // the beginning of the certificate's common name
	usages []x509.ExtKeyUsage
}

func serverRole() role {
	return role{"Midas local CA", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
}

// Open opens the authority in an existing folder, or creates one there. It is valid for localhost,
// 127.0.0.1, ::1 and the given host names and IP addresses.
func Open(dir string, now func() time.Time, names ...string) (*CA, error) {
	return OpenFor(dir, now, append([]string{"localhost", "127.0.0.1", "::1"}, names...)...)
}

// OpenFor is Open for an authority that is valid for the given names only, without localhost.
func OpenFor(dir string, now func() time.Time, names ...string) (*CA, error) {
	all, err := normalize(names)
	if err != nil {
		return nil, err
	}
	return open(&CA{dir: dir, now: now, names: all, role: serverRole()})
}

// open reads or makes the authority's files.
func open(c *CA) (_ *CA, err error) {
	c.log = slog.New(slog.DiscardHandler)
	if c.key, err = openKey(filepath.Join(c.dir, keyFile)); err != nil {
		return nil, err
	}
	if err := c.openCertificate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Path returns the path of the certificate file that clients trust.
func (c *CA) Path() string { return filepath.Join(c.dir, CertificateFile) }

// Pool is a set of roots with the current certificate of this authority. ReissueIfDue may reissue it.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert.Load())
	return pool
}

// openKey reads the authority's key, or creates it. If another process creates it first, it reads that one.
func openKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make key of the local CA: %w", err)
		}
		block, err := keyPEM(key)
		if err != nil {
			return nil, err
		}
		if err := atomicfile.Create(path, block, 0o600); err == nil || !errors.Is(err, fs.ErrExist) {
			return key, err
		}
		data, err = os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read key of the local CA: %w", err)
		}
		return parseKey(path, data)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of the local CA: %w", err)
	}
	return parseKey(path, data)
}

// openCertificate reads the authority's certificate. It issues a new one if there is none, if it expires
// soon, or if it does not permit a configured name.
func (c *CA) openCertificate() error {
	data, err := os.ReadFile(c.Path())
	if errors.Is(err, fs.ErrNotExist) {
		err = c.issueAuthority(c.names, atomicfile.Create)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		data, err = os.ReadFile(c.Path())
	}
	if err != nil {
		return fmt.Errorf("read certificate of the local CA: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return fmt.Errorf("%s holds no certificate; remove the file, and the next start makes a new one", c.Path())
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s is damaged; remove the file, and the next start makes a new one: %w", c.Path(), err)
	}
	c.cert.Store(cert)
	if !c.key.PublicKey.Equal(cert.PublicKey) {
		return fmt.Errorf("%s does not belong to %s; restore the certificate of this key, or remove both files to make a new CA", c.Path(), keyFile)
	}
	has := permitted(cert)
	missing := slices.ContainsFunc(c.names, func(n string) bool { return !slices.Contains(has, constraint(n)) })
	if cause := renewalCause(cert, authorityRenew, c.now()); missing || cause != "" {
		if cause != "" {
			c.notes = append(c.notes, cause)
		}
		union := slices.Compact(slices.Sorted(slices.Values(append(has, c.names...))))
		return c.issueAuthority(union, atomicfile.Write)
	}
	return nil
}

// issueAuthority signs the authority's own certificate and stores it.
func (c *CA) issueAuthority(names []string, store func(string, []byte, fs.FileMode) error) error {
	id := keyID(c.key)
	tmpl := &x509.Certificate{
		// Several authorities may be in one trust store, so each has a different name.
		Subject:                     pkix.Name{Organization: []string{"Midas"}, CommonName: fmt.Sprintf("%s %x", c.role.title, id[:4])},
		NotBefore:                   c.now().Add(-backdate),
		NotAfter:                    c.now().Add(authorityLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 c.role.usages,
		SubjectKeyId:                id,
		PermittedDNSDomainsCritical: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.PermittedIPRanges = append(tmpl.PermittedIPRanges, single(ip))
		} else {
			tmpl.PermittedDNSDomains = append(tmpl.PermittedDNSDomains, constraint(n))
		}
	}
	der, err := c.sign(tmpl, tmpl, c.key)
	if err != nil {
		return fmt.Errorf("issue certificate of the local CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("read back certificate of the local CA: %w", err)
	}
	c.cert.Store(cert)
	return store(c.Path(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// sign sets the serial number of a template and signs it with the authority's key.
func (c *CA) sign(tmpl, parent *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	return c.certify(tmpl, parent, key.Public())
}

func (c *CA) certify(tmpl, parent *x509.Certificate, key crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose serial number: %w", err)
	}
	tmpl.SerialNumber = serial.Add(serial, big.NewInt(1))
	return x509.CreateCertificate(rand.Reader, tmpl, parent, key, c.key)
}

// keyID is the subject key identifier of a key.
func keyID(key *ecdsa.PrivateKey) []byte {
	// A P-256 key that this package made or parsed always marshals.
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	sum := sha256.Sum256(der)
	return sum[:20]
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(path string, data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no private key; restore it, or remove it and %s to make a new CA", path, CertificateFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged; restore it, or remove it and %s to make a new CA: %w", path, CertificateFile, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s is not an ECDSA P-256 key", path)
	}
	return ec, nil
}
