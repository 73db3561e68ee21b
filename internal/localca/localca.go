// Package localca is a certificate authority. Clients trust one file, ca.pem, so TLS works on a
// developer's machine without another tool.
//
// The authority's certificate has critical name constraints: it is valid only for localhost, 127.0.0.1, ::1
// and the configured names, so that a stolen key cannot certify other names. The key is ECDSA P-256. It
// lies in a Storage, which all replicas of a server share; ca.pem is a copy of the certificate. OpenFor opens a separate authority for names that belong to
// others, such as Azure's, so that clients can trust the first one without the second. OpenHosts opens a
// separate authority for host certificates, which are valid for TLS clients only.
//
// The authority is created on first use, atomically, even if several processes start at the same time. The
// authority's certificate is reissued with the same key and name if names are added, if it expires soon,
// or if it is not valid yet because the clock was ahead when it was issued. Open and ReissueIfDue check that. The
// server's certificate (server.pem, with its key) is renewed while serving.
package localca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	dir     string  // of server.pem, and of ca.pem, the copy of the certificate for clients
	storage Storage // of the key and the certificate
	now     func() time.Time
	begin   func() time.Time // nil: now
	names   []string         // the names in the server's certificate
	role    role
	key     *ecdsa.PrivateKey
	others  []byte // what ca.pem has besides the certificate; after the opening under issuing

	cert      atomic.Pointer[x509.Certificate]
	issuing   sync.Mutex
	unwritten bool         // the certificate could not be written; under issuing
	log       *slog.Logger // never nil
	notes     []string     // what LogTo must log about the opening
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
	return OpenFor(dir, now, localNames(names)...)
}

// localNames adds the names of the machine itself.
func localNames(names []string) []string {
	return append([]string{"localhost", "127.0.0.1", "::1"}, names...)
}

// OpenFor is Open for an authority that is valid for the given names only, without localhost.
func OpenFor(dir string, now func() time.Time, names ...string) (*CA, error) {
	return openNamed(context.Background(), place{dir: dir, storage: FileStorage{dir}}, now, names)
}

// place is where an authority is stored, and the folder of the files that are made from it.
type place struct {
	dir     string
	storage Storage
	others  []byte           // see CA.Trust
	begin   func() time.Time // see AuthoritiesConfig.Begin
}

func openNamed(ctx context.Context, at place, now func() time.Time, names []string) (*CA, error) {
	all, err := normalize(names)
	if err != nil {
		return nil, err
	}
	return open(ctx, &CA{dir: at.dir, storage: at.storage, now: now, begin: at.begin, names: all, role: serverRole(), others: at.others})
}

// open reads or makes the authority.
func open(ctx context.Context, c *CA) (*CA, error) {
	c.log = slog.New(slog.DiscardHandler)
	name, _ := c.storage.Names()
	data, err := c.storage.Key(ctx, newKey)
	if err != nil {
		return nil, err
	}
	if c.key, err = parseKey(name, data); err != nil {
		return nil, err
	}
	cause, err := c.update(ctx)
	if err != nil {
		return nil, err
	}
	if cause != "" {
		c.notes = append(c.notes, reissued+": "+cause)
	}
	return c, c.publish()
}

// newKey makes the key of an authority, in PEM.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of the local CA: %w", err)
	}
	return keyPEM(key)
}

// Path returns the path of the certificate file that clients trust.
func (c *CA) Path() string { return filepath.Join(c.dir, CertificateFile) }

// NotAfter is when the authority's certificate ends. ReissueIfDue replaces it long before.
func (c *CA) NotAfter() time.Time { return c.cert.Load().NotAfter }

// Trust makes ca.pem contain further certificates, in PEM, after that of the authority: those that clients need for
// a server certificate of the operator.
func (c *CA) Trust(others []byte) error {
	c.issuing.Lock()
	defer c.issuing.Unlock()
	c.others = others
	err := c.publish()
	c.unwritten = c.unwritten || err != nil
	return err
}

// Pool is a set of roots with the current certificate of this authority. ReissueIfDue may reissue it.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert.Load())
	return pool
}

// update adopts the stored certificate. It first stores a new one, with the same key, if there is none, if it must
// be renewed, or if it does not permit a configured name. cause is why it was renewed. If the write fails the new
// certificate is used nevertheless.
func (c *CA) update(ctx context.Context) (cause string, err error) {
	var cert *x509.Certificate
	err = c.storage.ChangeCertificate(ctx, func(stored []byte) (fresh []byte, err error) {
		cert, fresh, cause, err = c.next(stored)
		return fresh, err
	})
	if cert != nil {
		c.cert.Store(cert)
	}
	return cause, err
}

// next returns the certificate to use after stored, which is nil if there is none. fresh is its PEM if it is new.
func (c *CA) next(stored []byte) (cert *x509.Certificate, fresh []byte, cause string, err error) {
	if stored == nil {
		cert, fresh, err = c.issueAuthority(c.names)
		return cert, fresh, "", err
	}
	if cert, err = c.parseAuthority(stored); err != nil {
		return nil, nil, "", err
	}
	has := permitted(cert)
	added := slices.DeleteFunc(slices.Clone(c.names), func(n string) bool { return slices.Contains(has, constraint(n)) })
	cause = renewalCause(cert, authorityRenew, c.now())
	if cause == "" && len(added) == 0 {
		return cert, nil, "", nil
	}
	if cause == "" {
		cause = fmt.Sprintf("it did not permit %s: clients that use a new name, or an IP address, need the new %s; the others go on with the one that they have", strings.Join(added, ", "), CertificateFile)
	}
	cert, fresh, err = c.issueAuthority(slices.Compact(slices.Sorted(slices.Values(append(has, c.names...)))))
	return cert, fresh, cause, err
}

// parseAuthority reads a certificate of this authority.
func (c *CA) parseAuthority(stored []byte) (*x509.Certificate, error) {
	keyName, name := c.storage.Names()
	block, _ := pem.Decode(stored)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate; remove the file, and the next start makes a new one", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged; remove the file, and the next start makes a new one: %w", name, err)
	}
	if !c.key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s does not belong to %s; restore the certificate of this key, or remove both files to make a new CA", name, filepath.Base(keyName))
	}
	return cert, nil
}

// begins returns the time from which a new certificate is valid, before it is backdated.
func (c *CA) begins() time.Time {
	if c.begin != nil {
		return c.begin()
	}
	return c.now()
}

// issueAuthority signs the authority's own certificate and returns it, also in PEM.
func (c *CA) issueAuthority(names []string) (*x509.Certificate, []byte, error) {
	id := keyID(c.key)
	tmpl := &x509.Certificate{
		// Several authorities may be in one trust store, so each has a different name.
		Subject:                     pkix.Name{Organization: []string{"Midas"}, CommonName: fmt.Sprintf("%s %x", c.role.title, id[:4])},
		NotBefore:                   c.begins().Add(-backdate),
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
		return nil, nil, fmt.Errorf("issue certificate of the local CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read back certificate of the local CA: %w", err)
	}
	return cert, certificatePEM(der), nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// publish writes ca.pem, the certificates that clients trust, if it has another content: first that of the authority.
// An authority without a folder has no such file.
func (c *CA) publish() error {
	if c.dir == "" {
		return nil
	}
	want := slices.Concat(certificatePEM(c.cert.Load().Raw), c.others)
	was, err := os.ReadFile(c.Path())
	if err == nil && bytes.Equal(was, want) {
		return nil
	}
	if block, _ := pem.Decode(was); block != nil {
		if old, err := x509.ParseCertificate(block.Bytes); err == nil && !c.key.PublicKey.Equal(old.PublicKey) {
			c.notes = append(c.notes, "ca.pem held the certificate of another authority and was replaced: clients that trust the old file must get the new one")
		}
	}
	return atomicfile.Write(c.Path(), want, 0o644)
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
