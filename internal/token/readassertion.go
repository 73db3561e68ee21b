package token

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"
)

// ReadAssertion reads an assertion for an explanation: whatever its algorithm is, even without a signature. Nothing of
// it is verified, and its Verify returns ErrSignature. Use ParseAssertion for everything else.
func ReadAssertion(raw string) (*Assertion, error) {
	if a, err := ParseAssertion(raw); err == nil {
		return a, nil
	}
	parts := strings.Split(raw, ".")
	if len(raw) > MaxSize || len(parts) != 3 {
		return nil, fmt.Errorf("%w: it is too long or not three parts of base64url", ErrMalformed)
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil, fmt.Errorf("%w: the header is not base64url", ErrMalformed)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%w: the claims are not base64url", ErrMalformed)
	}
	members, err := readObject(header)
	if err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrMalformed, err)
	}
	a := &Assertion{}
	if err := cmp.Or(a.readHeader(members), checkExtensions(members)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := a.readClaims(payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return a, nil
}
