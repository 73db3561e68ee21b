package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"sync"

	"github.com/smallstep/pkcs7"
)

// Signer signs documents. A client that trusts the authority can verify that this server has signed them.
// It is safe for concurrent use. Its key is in memory only and new at each start.
type Signer struct {
	ca   *CA
	mu   sync.Mutex
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

// Signer returns a signer of documents.
func (c *CA) Signer() *Signer { return &Signer{ca: c} }

// Sign wraps a document into PKCS #7 SignedData (DER), with the signer's certificate.
func (s *Signer) Sign(document []byte) ([]byte, error) {
	key, leaf, err := s.current()
	if err != nil {
		return nil, err
	}
	data, err := pkcs7.NewSignedData(document)
	if err != nil {
		return nil, fmt.Errorf("sign a document: %w", err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSigner(leaf, key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("sign a document: %w", err)
	}
	signed, err := data.Finish()
	if err != nil {
		return nil, fmt.Errorf("sign a document: %w", err)
	}
	return signed, nil
}

// current returns the key and its certificate, and replaces both if the certificate is not valid now or
// expires soon.
func (s *Signer) current() (*ecdsa.PrivateKey, *x509.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.ca.now()
	s.ca.ensureValid()
	if s.leaf != nil && renewalCause(s.leaf, leafRenew, now) == "" {
		return s.key, s.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for documents: %w", err)
	}
	der, err := s.ca.sign(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Midas"}, CommonName: "Midas attested data"},
		NotBefore: s.ca.begins().Add(-backdate), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature,
	}, s.ca.cert.Load(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for documents: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read back a certificate for documents: %w", err)
	}
	s.key, s.leaf = key, leaf
	return key, leaf, nil
}
