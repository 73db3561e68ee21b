package directory

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // it names certificates, x5t, and protects nothing
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"midas/internal/clock"
)

// Limits on what is registered as a certificate.
const (
	maxCertificates   = 20
	maxCertificateDER = 16 << 10
	minRSABits        = 2048
)

// Certificate is a certificate with which an application signs its assertions. Only its key and its
// validity matter. Its issuer is not checked, because an owner of the application has registered it.
type Certificate struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName,omitempty"`
	SHA1        []byte    `json:"sha1"`   // x5t
	SHA256      []byte    `json:"sha256"` // x5t#S256
	DER         []byte    `json:"der"`
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
}

// NewCertificate reads a certificate in DER or PEM form, or returns an error that wraps ErrInvalid. Start
// and End are those of the certificate; the caller may shorten them.
func NewCertificate(keyID string, data []byte) (Certificate, error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
		data = block.Bytes
	}
	if len(data) > maxCertificateDER {
		return Certificate{}, fmt.Errorf("%w: the certificate is larger than %d bytes", ErrInvalid, maxCertificateDER)
	}
	cert, err := x509.ParseCertificate(data)
	if err != nil {
		return Certificate{}, fmt.Errorf("%w: not an X.509 certificate", ErrInvalid)
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() < minRSABits {
		return Certificate{}, fmt.Errorf("%w: the certificate's key must be RSA of at least %d bits", ErrInvalid, minRSABits)
	}
	one, two := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw) //nolint:gosec // see above
	return Certificate{
		KeyID: keyID, DisplayName: distinguishedName(cert.Subject), SHA1: one[:], SHA256: two[:], DER: cert.Raw,
		Start: cert.NotBefore.UTC(), End: cert.NotAfter.UTC(),
	}, nil
}

// distinguishedName formats a subject as Entra does: "CN=x, O=y, S=z".
func distinguishedName(subject pkix.Name) string {
	rdns := subject.ToRDNSequence()
	slices.Reverse(rdns)
	var parts []string
	for _, rdn := range rdns {
		part := pkix.RDNSequence{rdn}.String()
		if state, found := strings.CutPrefix(part, "ST="); found {
			part = "S=" + state
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// PublicKey is the key that its assertions are verified with.
func (c Certificate) PublicKey() (*rsa.PublicKey, error) {
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.KeyID, err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("read certificate " + c.KeyID + ": its key is not RSA")
	}
	return key, nil
}

// ValidAt reports whether the certificate is valid at a time. Start may be up to clock.Skew later.
func (c Certificate) ValidAt(now time.Time) bool {
	return clock.Begun(c.Start, now) && now.Before(c.End)
}

// Certificate gives the application's certificate with a thumbprint, which is a SHA-1 or a SHA-256.
func (a *Application) Certificate(thumbprint []byte) (Certificate, bool) {
	return certificateOf(a.Certificates, thumbprint)
}

// Certificate gives the service principal's certificate with a thumbprint, as Application.Certificate does.
func (p *ServicePrincipal) Certificate(thumbprint []byte) (Certificate, bool) {
	return certificateOf(p.Certificates, thumbprint)
}

func certificateOf(all []Certificate, thumbprint []byte) (Certificate, bool) {
	for _, c := range all {
		if bytes.Equal(thumbprint, c.SHA1) || bytes.Equal(thumbprint, c.SHA256) {
			return c, true
		}
	}
	return Certificate{}, false
}
