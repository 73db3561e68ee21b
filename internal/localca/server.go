package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"midas/internal/arm"
	"midas/internal/atomicfile"
)

// Certificate issues a certificate for a server with the given names and a new key. It refuses names that
// the authority's name constraints exclude.
func (c *CA) Certificate(names ...string) (tls.Certificate, error) {
	names, err := normalize(names)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		// No host name here, because some clients check common names against the name constraints.
		Subject:     pkix.Name{Organization: []string{"Midas"}, CommonName: "Midas server"},
		NotBefore:   c.now().Add(-backdate),
		NotAfter:    c.now().Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	has := permitted(c.cert.Load())
	for _, n := range names {
		if strings.HasPrefix(n, anyLabel) && !slices.Contains(c.names, n) || !slices.Contains(has, constraint(n)) {
			return tls.Certificate{}, fmt.Errorf("issue certificate: the local CA does not permit %q", n)
		}
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make server key: %w", err)
	}
	der, err := c.sign(tmpl, c.cert.Load(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read back server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// ServerConfig is the TLS configuration of a server with the authority's names. It uses the certificate of
// the last start while that is valid, and renews it while serving. For a server name of one of the other
// authorities it uses the certificate of that authority.
func (c *CA) ServerConfig(others ...*CA) (*tls.Config, error) {
	own, err := c.serve()
	if err != nil {
		return nil, err
	}
	byName := map[string]*serving{}
	for _, other := range others {
		s, err := other.serve()
		if err != nil {
			return nil, err
		}
		for _, name := range other.names {
			byName[name] = s
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello != nil {
				if s := lookUp(byName, arm.Fold(hello.ServerName)); s != nil {
					return s.certificate()
				}
			}
			return own.certificate()
		},
	}, nil
}

// lookUp finds the certificate for a server name: by the name, or by the name with a star for its first label.
func lookUp(byName map[string]*serving, name string) *serving {
	if s := byName[name]; s != nil {
		return s
	}
	_, rest, found := strings.Cut(name, ".")
	if !found {
		return nil
	}
	return byName[anyLabel+rest]
}

// serve loads or issues the certificate of a server.
func (c *CA) serve() (*serving, error) {
	s := &serving{ca: c}
	if s.current = c.load(); s.current == nil {
		if err := s.renew(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// serving holds the current certificate for handshakes.
type serving struct {
	ca      *CA
	mu      sync.Mutex
	current *tls.Certificate
}

func (s *serving) certificate() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ca.ensureValid()
	if s.ca.good(s.current) {
		return s.current, nil
	}
	before := s.current
	cause := renewalCause(before.Leaf, leafRenew, s.ca.now())
	if err := s.renew(); err != nil {
		s.ca.log.Error("the server's certificate could not be renewed or written", "cause", err)
		if s.current == before && renewalCause(before.Leaf, 0, s.ca.now()) != "" {
			return nil, err
		}
		return s.current, nil // a certificate that could not be written is used until the next start
	}
	s.ca.log.Info("the server's certificate was renewed", "cause", cause)
	return s.current, nil
}

// renew issues a certificate and writes it to a file for the next start.
func (s *serving) renew() error {
	cert, err := s.ca.Certificate(s.ca.names...)
	if err != nil {
		return err
	}
	s.current = &cert
	block, err := keyPEM(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	block = append(block, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})...)
	return atomicfile.Write(filepath.Join(s.ca.dir, serverFile), block, 0o600)
}

// load reads the certificate of the last start. It returns nil if it is missing, damaged or not valid; then
// a new one is issued.
func (c *CA) load() *tls.Certificate {
	data, err := os.ReadFile(filepath.Join(c.dir, serverFile))
	if err != nil {
		return nil
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil || !c.good(&cert) {
		return nil
	}
	return &cert
}

// good reports whether this authority has issued a certificate, for exactly its names, and whether it is
// valid now and does not expire soon.
func (c *CA) good(cert *tls.Certificate) bool {
	leaf := cert.Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return slices.Equal(names, c.names) &&
		bytes.Equal(leaf.AuthorityKeyId, c.cert.Load().SubjectKeyId) &&
		renewalCause(leaf, leafRenew, c.now()) == ""
}
