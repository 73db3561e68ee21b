package token

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Assertion is a client assertion (RFC 7523) that is signed with the key of a certificate. It is parsed and
// not verified; see Verify.
type Assertion struct {
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

	signed *jose.JSONWebSignature
}

// ParseAssertion reads an assertion in its compact form, or returns an error that wraps ErrMalformed. Its
// algorithm must be RS256 or PS256. Certificates and keys in the header are ignored.
func ParseAssertion(raw string) (*Assertion, error) {
	if len(raw) > MaxSize || !canonical(raw) {
		return nil, fmt.Errorf("%w: it is too long or not three parts of base64url", ErrMalformed)
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var c struct {
		Issuer    string   `json:"iss"`
		Subject   string   `json:"sub"`
		Audience  audience `json:"aud"`
		ID        string   `json:"jti"`
		NotBefore *float64 `json:"nbf"`
		IssuedAt  *float64 `json:"iat"`
		Expires   *float64 `json:"exp"`
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a := &Assertion{Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ID: c.ID, signed: signed}
	a.Digest = sha256.Sum256([]byte(raw[:strings.LastIndexByte(raw, '.')]))
	for to, from := range map[*time.Time]*float64{&a.NotBefore: c.NotBefore, &a.Expires: c.Expires, &a.IssuedAt: c.IssuedAt} {
		if from == nil {
			continue
		}
		// Larger values would overflow in conversions and comparisons.
		if *from < 0 || *from > 1<<40 {
			return nil, fmt.Errorf("%w: a time is out of range", ErrMalformed)
		}
		*to = time.Unix(int64(*from), 0).UTC()
	}
	a.Thumbprints = thumbprints(signed.Signatures[0].Protected)
	return a, nil
}

// Verify returns nil if the key has signed the assertion, and otherwise ErrSignature.
func (a *Assertion) Verify(key *rsa.PublicKey) error {
	if _, err := a.signed.Verify(key); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// audience is the aud claim: a string or an array of strings.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
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
	url := strings.NewReplacer("+", "-", "/", "_", "=", "")
	for _, name := range names {
		add(hex.DecodeString(name))
		add(base64.RawURLEncoding.DecodeString(url.Replace(name)))
	}
	return all
}
