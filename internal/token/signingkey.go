package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/store"
)

// keyBits is the RSA key size that Microsoft's validators expect.
const keyBits = 2048

// signingKey is one opened key. It does not change once it is in a ring.
type signingKey struct {
	kid         string
	created     time.Time // when it was published
	signFrom    time.Time // when it begins to sign
	private     *rsa.PrivateKey
	certificate []byte // DER
	signer      jose.Signer
	revision    store.Revision // of the row; 0 when it was not read from one
}

// generate creates a key with its certificate. It takes a tenth of a second or more, so it must not run
// inside a transaction.
func generate(now, signFrom time.Time) (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	// The certificate contains the public key for libraries that read x5c, and its thumbprint is the key
	// id. Its dates are not checked: a key is valid as long as it is published.
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Midas token signing"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("certify signing key: %w", err)
	}
	return newSigningKey(private, certificate, now, signFrom, 0)
}

func newSigningKey(private *rsa.PrivateKey, certificate []byte, created, signFrom time.Time, rev store.Revision) (*signingKey, error) {
	// As in Entra, kid and x5t are both the SHA-1 thumbprint of the certificate. It only identifies the
	// key, so SHA-1 need not resist collisions.
	sum := sha1.Sum(certificate)
	kid := base64.RawURLEncoding.EncodeToString(sum[:])
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: kid}},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t", kid),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare signing key %s: %w", kid, err)
	}
	return &signingKey{
		kid: kid, created: created, signFrom: signFrom, private: private,
		certificate: certificate, signer: signer, revision: rev,
	}, nil
}

// sign returns the compact form of a token.
func (k *signingKey) sign(payload []byte) (string, error) {
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", k.kid, err)
	}
	return signed.CompactSerialize()
}

// PublicKey is one entry of a JSON Web Key Set, with the fields that Entra gives.
type PublicKey struct {
	KeyType      string   `json:"kty"`
	Use          string   `json:"use"`
	Algorithm    string   `json:"alg,omitempty"` // only in exported sets; Entra's do not have it
	KeyID        string   `json:"kid"`
	Thumbprint   string   `json:"x5t"`
	Modulus      string   `json:"n"`
	Exponent     string   `json:"e"`
	Certificates []string `json:"x5c"`
	Issuer       string   `json:"issuer,omitempty"`
}

func (k *signingKey) public(issuer string) PublicKey {
	return PublicKey{
		KeyType: "RSA", Use: "sig", KeyID: k.kid, Thumbprint: k.kid,
		Modulus:      base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
		Exponent:     base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		Certificates: []string{base64.StdEncoding.EncodeToString(k.certificate)},
		Issuer:       issuer,
	}
}
