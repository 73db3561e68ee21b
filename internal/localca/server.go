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
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"midas/internal/arm"
	"midas/internal/atomicfile"
)

// serverTitle is the common name of the certificates of servers.
const serverTitle = "Midas server"

// Certificate issues a certificate for a server with the given names and a new key. It refuses names that
// the authority's name constraints exclude.
func (c *CA) Certificate(names ...string) (tls.Certificate, error) {
	names, err := normalize(names)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		// No host name here, because some clients check common names against the name constraints.
		Subject:     pkix.Name{Organization: []string{"Midas"}, CommonName: serverTitle},
		NotBefore:   c.begins().Add(-backdate),
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
// authorities it uses a certificate of that authority.
//
// A client that names the server (RFC 6066, 3) gets a certificate for this name alone. So a client whose ca.pem is
// older than other names of the server goes on: the constraints of that ca.pem would exclude a certificate with all
// names.
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
		s.add(byName)
	}
	own.add(byName)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Time: c.now,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello != nil {
				if s, name := lookUp(byName, arm.Fold(hello.ServerName)); s != nil {
					return s.certificate(name)
				}
			}
			return own.certificate(allNames)
		},
	}, nil
}

// lookUp finds who serves a server name: by the name, or by the name with a star for its first label. It also
// returns the name as it stands in the map.
func lookUp(byName map[string]*serving, name string) (*serving, string) {
	if s := byName[name]; s != nil {
		return s, name
	}
	_, rest, found := strings.Cut(name, ".")
	if !found {
		return nil, ""
	}
	return byName[anyLabel+rest], anyLabel + rest
}

// serve loads or issues the certificate of a server.
func (c *CA) serve() (*serving, error) {
	s := &serving{ca: c, each: map[string]*tls.Certificate{}}
	if s.foreign = c.foreign(); s.foreign {
		c.log.Warn("the file holds something that this server has not written: it is neither used nor overwritten", "file", c.serverFile())
	} else if cert := c.load(); cert != nil {
		s.each[allNames] = cert
		return s, nil
	}
	return s, s.renew(allNames)
}

// allNames stands for the certificate with all names of the server, which is for clients that do not say which name
// they expect, such as those that use an IP address.
const allNames = ""

// serving holds the current certificates for handshakes.
type serving struct {
	ca      *CA
	foreign bool // the file for the next start belongs to somebody else
	mu      sync.Mutex
	each    map[string]*tls.Certificate // by one of the names, or allNames; at most one more than the server has names
}

func (s *serving) add(byName map[string]*serving) {
	for _, name := range s.ca.names {
		byName[name] = s
	}
}

// certificate returns the certificate for one of the names, or for allNames.
func (s *serving) certificate(name string) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ca.ensureValid()
	before := s.each[name]
	if before != nil && s.ca.good(before, s.names(name)) {
		return before, nil
	}
	if before == nil {
		err := s.renew(name)
		return s.each[name], err
	}
	cause := renewalCause(before.Leaf, leafRenew, s.ca.now())
	if err := s.renew(name); err != nil {
		s.ca.log.Error("the server's certificate could not be renewed or written", "cause", err)
		if s.each[name] == before && renewalCause(before.Leaf, 0, s.ca.now()) != "" {
			return nil, err
		}
		return s.each[name], nil // a certificate that could not be written is used until the next start
	}
	s.ca.log.Info("the server's certificate was renewed", "cause", cause)
	return s.each[name], nil
}

func (s *serving) names(name string) []string {
	if name == allNames {
		return s.ca.names
	}
	return []string{name}
}

// renew issues a certificate. The one with all names is written to a file for the next start.
func (s *serving) renew(name string) error {
	cert, err := s.ca.Certificate(s.names(name)...)
	if err != nil {
		return err
	}
	s.each[name] = &cert
	if name != allNames || s.foreign {
		return nil
	}
	block, err := keyPEM(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	block = append(block, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})...)
	return atomicfile.Write(s.ca.serverFile(), block, 0o600)
}

func (c *CA) serverFile() string { return filepath.Join(c.dir, serverFile) }

// foreign reports whether the file of the server's certificate holds a certificate or a key that no authority of a
// Midas has issued: somebody has put it there.
func (c *CA) foreign() bool {
	rest, err := os.ReadFile(c.serverFile())
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	blocks := 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return blocks > 0 // keys without a certificate
		}
		blocks++
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		return err != nil || leaf.Subject.CommonName != serverTitle || !slices.Equal(leaf.Subject.Organization, []string{"Midas"})
	}
}

// load reads the certificate of the last start. It returns nil if it is missing, damaged or not valid; then
// a new one is issued.
func (c *CA) load() *tls.Certificate {
	data, err := os.ReadFile(c.serverFile())
	if err != nil {
		return nil
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil || !c.good(&cert, c.names) {
		return nil
	}
	return &cert
}

// good reports whether this authority has issued a certificate, for exactly these sorted names, and whether it is
// valid now and does not expire soon.
func (c *CA) good(cert *tls.Certificate, names []string) bool {
	leaf := cert.Leaf
	has := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		has = append(has, ip.String())
	}
	slices.Sort(has)
	return slices.Equal(has, names) &&
		bytes.Equal(leaf.AuthorityKeyId, c.cert.Load().SubjectKeyId) &&
		renewalCause(leaf, leafRenew, c.now()) == ""
}
