package token

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Assertion is a client assertion (RFC 7523): a token that is signed with the key of a certificate of the client,
// or that another issuer has signed. It is parsed and not verified; see Verify.
type Assertion struct {
	Type      string // typ in the header; may be empty
	Kid       string // kid in the header; may be empty
	Algorithm string // alg in the header: RS256 or PS256

	Issuer, Subject    string
	Audience           []string
	ID                 string    // jti; may be empty
	NotBefore, Expires time.Time // zero if the claim is missing
	IssuedAt           time.Time // likewise

	// Digest is the SHA-256 hash of the signed part, which the signature is for. It identifies an assertion without an
	// id.
	Digest [sha256.Size]byte

	// Thumbprints are the certificate thumbprints in the header: x5t, x5t#S256, or a kid that is a
	// thumbprint. They are SHA-1 or SHA-256 hashes and only identify the certificate.
	Thumbprints [][]byte

	signature []byte // nil if the assertion cannot be verified
	claims    object
}

// AlgorithmError means that an assertion is signed with an algorithm that is not accepted. It wraps ErrMalformed.
type AlgorithmError struct {
	Algorithm string // alg in the header
}

func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("%v: the signature algorithm is %q, and not RS256 or PS256", ErrMalformed, e.Algorithm)
}

func (e *AlgorithmError) Unwrap() error { return ErrMalformed }

// ParseAssertion reads an assertion in its compact form, or returns an error that wraps ErrMalformed, for example
// an *AlgorithmError. Its algorithm must be RS256 or PS256. Certificates, keys and addresses of keys in the header
// are ignored, and extensions that the header marks as critical are refused (RFC 7515, 4.1.11).
func ParseAssertion(raw string) (*Assertion, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: it is too long", ErrMalformed)
	}
	parts, ok := decodeCompact(raw)
	if !ok {
		return nil, fmt.Errorf("%w: it is not three parts of base64url", ErrMalformed)
	}
	header, err := readObject(parts.header)
	if err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrMalformed, err)
	}
	a := &Assertion{signature: parts.signature}
	if err := a.readHeader(header); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch jose.SignatureAlgorithm(a.Algorithm) {
	case jose.RS256, jose.PS256:
	case "":
		return nil, fmt.Errorf("%w: the header has no alg", ErrMalformed)
	default:
		return nil, &AlgorithmError{a.Algorithm}
	}
	if err := cmp.Or(checkExtensions(header), checkEmbedded(header, raw)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := a.readClaims(parts.payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a.Digest = sha256.Sum256([]byte(raw[:strings.LastIndexByte(raw, '.')]))
	a.Thumbprints = thumbprints(header, a.Kid)
	return a, nil
}

// readHeader reads the members of the header that count.
func (a *Assertion) readHeader(header object) (err error) {
	for _, field := range [...]struct {
		name string
		to   *string
	}{{"typ", &a.Type}, {"alg", &a.Algorithm}, {"kid", &a.Kid}} {
		if *field.to, err = header.text(field.name); err != nil {
			return fmt.Errorf("the header: %w", err)
		}
	}
	return nil
}

// checkExtensions refuses a header with extensions that its issuer marks as critical, or with a payload that is not
// base64url (RFC 7797).
func checkExtensions(header object) error {
	for _, name := range [...]string{"crit", "b64"} {
		if header.find(name) != "" {
			return fmt.Errorf("the header has %s", name)
		}
	}
	return nil
}

// checkEmbedded refuses a header with a key or with certificates that are malformed, such as a private key. They are
// ignored otherwise. Few headers have one.
func checkEmbedded(header object, raw string) error {
	for _, name := range [...]string{"jwk", "x5c", "nonce"} {
		if header.find(name) != "" {
			_, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
			return err
		}
	}
	return nil
}

// Verify returns nil if the key has signed the assertion, and otherwise ErrSignature.
func (a *Assertion) Verify(key *rsa.PublicKey) error {
	if a.signature == nil {
		return ErrSignature
	}
	err := ErrSignature
	switch jose.SignatureAlgorithm(a.Algorithm) {
	case jose.RS256:
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, a.Digest[:], a.signature)
	case jose.PS256:
		err = rsa.VerifyPSS(key, crypto.SHA256, a.Digest[:], a.signature, nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// inURLAlphabet returns base64 text as base64url without padding.
func inURLAlphabet(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimRight(text, "="), "+", "-"), "/", "_")
}

// thumbprints reads the thumbprints in a header. Libraries encode them with or without padding, in
// base64url or base64, and as kid also in hexadecimal.
func thumbprints(header object, kid string) [][]byte {
	var all [][]byte
	add := func(data []byte, err error) {
		if err == nil && (len(data) == 20 || len(data) == 32) {
			all = append(all, data)
		}
	}
	x5t, _ := unquote(header.find("x5t"))
	x5tS256, _ := unquote(header.find("x5t#S256"))
	for _, name := range [...]string{kid, x5t, x5tS256} {
		switch len(name) {
		case 2 * 20, 2 * 32:
			add(hex.DecodeString(name))
		case 27, 28, 43, 44:
			add(base64.RawURLEncoding.DecodeString(inURLAlphabet(name)))
		}
	}
	return all
}
