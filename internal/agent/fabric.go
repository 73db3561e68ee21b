package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // a thumbprint is what Service Fabric calls the SHA-1 of a certificate
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"midas/internal/atomicfile"
)

// fabricLife is the lifetime of the certificate. It is long because programs pin the certificate by its
// thumbprint, which they only get when they start.
const fabricLife = 10 * 365 * 24 * time.Hour

// fabricTLS returns the TLS configuration of a Service Fabric endpoint, and the thumbprint of its
// certificate, which clients pin.
func (s *Server) fabricTLS() (*tls.Config, string, error) {
	file := filepath.Join(s.cfg.State, fabricFile)
	var block []byte
	err := fs.ErrNotExist
	if s.cfg.Enroll == nil {
		block, err = os.ReadFile(file)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fabricValid(block, time.Now()) {
		if block, err = fabricCertificate(time.Now()); err == nil && s.cfg.Enroll == nil {
			err = atomicfile.Write(file, block, 0o600)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("certificate for Service Fabric: %w", err)
	}
	pair, err := tls.X509KeyPair(block, block)
	if err != nil {
		return nil, "", fmt.Errorf("certificate for Service Fabric, %s: %w", file, err)
	}
	sum := sha1.Sum(pair.Certificate[0]) //nolint:gosec // as above
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	return config, strings.ToUpper(hex.EncodeToString(sum[:])), nil
}

// fabricValid reports whether a saved certificate is valid now: it may have been made under a wrong clock.
// It is true for a damaged certificate, so that the caller reports it instead of replacing it.
func fabricValid(block []byte, now time.Time) bool {
	pair, err := tls.X509KeyPair(block, block)
	return err != nil || !now.Before(pair.Leaf.NotBefore) && now.Before(pair.Leaf.NotAfter)
}

// fabricCertificate makes a self-signed certificate with its key, in PEM.
func fabricCertificate(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Midas agent"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   now.Add(-time.Hour), NotAfter: now.Add(fabricLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	return append(block, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}
