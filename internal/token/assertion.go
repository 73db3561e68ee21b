package token

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
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

	// Digest is the SHA-256 hash of the signed part. It identifies an assertion without an id.
	Digest [sha256.Size]byte

	// Thumbprints are the certificate thumbprints in the header: x5t, x5t#S256, or a kid that is a
	// thumbprint. They are SHA-1 or SHA-256 hashes and only identify the certificate.
	Thumbprints [][]byte

	signed  *jose.JSONWebSignature
	strings map[string]string // the claims whose values are strings
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
	if len(raw) > MaxSize || !canonical(raw) {
		return nil, fmt.Errorf("%w: it is too long or not three parts of base64url", ErrMalformed)
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	var other *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &other) && other.Got != "":
		return nil, &AlgorithmError{string(other.Got)}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	header := signed.Signatures[0].Protected
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, found := header.ExtraHeaders[name]; found {
			return nil, fmt.Errorf("%w: the header has %s", ErrMalformed, name)
		}
	}
	a := &Assertion{Kid: header.KeyID, Algorithm: header.Algorithm, signed: signed}
	if typ, found := header.ExtraHeaders[jose.HeaderType]; found {
		text, isText := typ.(string)
		if !isText {
			return nil, fmt.Errorf("%w: typ is not a string", ErrMalformed)
		}
		a.Type = text
	}
	if err := a.readClaims(signed.UnsafePayloadWithoutVerification()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a.Digest = sha256.Sum256([]byte(raw[:strings.LastIndexByte(raw, '.')]))
	a.Thumbprints = thumbprints(header)
	return a, nil
}

// Verify returns nil if the key has signed the assertion, and otherwise ErrSignature.
func (a *Assertion) Verify(key *rsa.PublicKey) error {
	if a.signed == nil {
		return ErrSignature
	}
	if _, err := a.signed.Verify(key); err != nil {
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
func thumbprints(h jose.Header) [][]byte {
	var all [][]byte
	add := func(data []byte, err error) {
		if err == nil && (len(data) == 20 || len(data) == 32) {
			all = append(all, data)
		}
	}
	names := []string{h.KeyID}
	for _, field := range []jose.HeaderKey{"x5t", "x5t#S256"} {
		name, _ := h.ExtraHeaders[field].(string)
		names = append(names, name)
	}
	for _, name := range names {
		switch len(name) {
		case 2 * 20, 2 * 32:
			add(hex.DecodeString(name))
		case 27, 28, 43, 44:
			add(base64.RawURLEncoding.DecodeString(inURLAlphabet(name)))
		}
	}
	return all
}
