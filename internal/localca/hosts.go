package localca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"midas/internal/clock"
)

// HostCA issues host certificates. They are valid for TLS clients only. Only this server needs to trust this
// authority.
type HostCA struct{ ca *CA }

// OpenHosts opens the authority for hosts in an existing folder, or creates one there.
func OpenHosts(dir string, now func() time.Time) (*HostCA, error) {
	return openHosts(context.Background(), place{dir: dir, storage: FileStorage{dir}}, now)
}

func openHosts(ctx context.Context, at place, now func() time.Time) (*HostCA, error) {
	ca, err := open(ctx, &CA{
		dir: at.dir, storage: at.storage, now: now, begin: at.begin, role: role{"Midas CA for hosts", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	})
	if err != nil {
		return nil, err
	}
	return &HostCA{ca}, nil
}

// Pool is a set of roots with the current certificate of this authority.
func (h *HostCA) Pool() *x509.CertPool { return h.ca.Pool() }

// CA returns the underlying authority, for Run and LogTo.
func (h *HostCA) CA() *CA { return h.ca }

// ClientConfig returns the configuration of a server that requests client certificates of this authority
// and also accepts clients without one. It follows the authority's certificate, which may be reissued while
// the server runs. config must be complete and must not be changed later.
func (h *HostCA) ClientConfig(config *tls.Config) *tls.Config {
	type current struct {
		authority *x509.Certificate
		config    *tls.Config
	}
	var last atomic.Pointer[current]
	build := func() *current {
		c := &current{h.ca.cert.Load(), config.Clone()}
		c.config.ClientAuth, c.config.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
		c.config.ClientCAs.AddCert(c.authority)
		c.config.NextProtos = []string{"h2", "http/1.1"} // net/http adds them to the outer configuration only
		last.Store(c)
		return c
	}
	outer := build().config.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		h.ca.ensureValid()
		c := last.Load()
		if c.authority != h.ca.cert.Load() {
			c = build()
		}
		return c.config, nil
	}
	return outer
}

// ErrRequest means that a certificate request is not acceptable.
var ErrRequest = errors.New("the certificate request is not acceptable")

// Certify issues a certificate for the key of a certificate request, both in PEM. The certificate has only
// the given names. The names and extensions of the request are ignored, because the server decides the
// identity of a host.
func (h *HostCA) Certify(request []byte, name string, subject *url.URL, end time.Time) ([]byte, error) {
	key, err := requestKey(request)
	if err != nil {
		return nil, err
	}
	der, err := h.ca.certify(&x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Midas host"}, CommonName: name},
		URIs:        []*url.URL{subject},
		NotBefore:   h.ca.begins().Add(-clock.Skew),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, h.ca.cert.Load(), key)
	if err != nil {
		return nil, fmt.Errorf("issue host certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// requestKey returns the key of a request after it has checked its signature and its strength.
func requestKey(request []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, fmt.Errorf("%w: it is not one PEM block of type CERTIFICATE REQUEST", ErrRequest)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return key, nil
		}
	case ed25519.PublicKey:
		return key, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: its key is neither ECDSA P-256 or P-384, Ed25519, nor RSA of 2048 to 4096 bits", ErrRequest)
}
