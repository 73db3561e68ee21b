package verify

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxToken is the longest token that is examined, in bytes. Midas mints none that is longer.
const maxToken = 16 << 10

// listType is the type of a list of revocations in its header. Only a list has it, and a token never has it, so
// neither is taken for the other although the same keys sign both.
const listType = "midas-revocations+jwt"

// accessTypes are the types of access tokens: that of Entra and Midas, those of RFC 9068, and none.
var accessTypes = []string{"JWT", "", "at+jwt", "application/at+jwt"}

// signedObject is a JWS in compact form before its signature is verified.
type signedObject struct {
	signed *jose.JSONWebSignature
	kid    string
	kind   string // typ
}

// parseSigned reads the header of a JWS. Only RS256 is accepted. Keys and addresses of keys in the header are
// ignored.
func parseSigned(raw string) (*signedObject, error) {
	encoded, _, _ := strings.Cut(raw, ".")
	if !canonical(raw) {
		return nil, fmt.Errorf("%w: it is not three parts of base64url", ErrMalformed)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrMalformed, err)
	}
	header, err := parseObject(text)
	if err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrMalformed, err)
	}
	r := &reader{object: header}
	algorithm, s := r.text("alg"), &signedObject{kid: r.text("kid"), kind: r.text("typ")}
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("%w: the header: %w", ErrMalformed, r.err)
	case algorithm != string(jose.RS256):
		return nil, fmt.Errorf("%w: its algorithm is %s", ErrAlgorithm, quote(algorithm))
	case header.has("crit") || header.has("b64"):
		return nil, fmt.Errorf("%w: the header has extensions", ErrMalformed)
	case s.kid == "":
		return nil, fmt.Errorf("%w: the header names no key", ErrUnknownKey)
	}
	if s.signed, err = jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return s, nil
}

// canonical reports whether raw has the canonical encoding of a JWS. Decoders accept line breaks and stray bits at
// the end of a part, so one token would otherwise have many encodings, each with an entry in the cache.
func canonical(raw string) bool {
	if strings.ContainsAny(raw, "\r\n") || strings.Count(raw, ".") != 2 {
		return false
	}
	for part := range strings.SplitSeq(raw, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || part == "" {
			return false
		}
	}
	return true
}

// verify returns the payload if one of the published keys with the kid of the header has signed it.
func (k *keys) verify(s *signedObject) ([]byte, *publicKey, error) {
	candidates := k.current.Load().byID[s.kid]
	if len(candidates) == 0 {
		return nil, nil, fmt.Errorf("%w: %s", ErrUnknownKey, quote(s.kid))
	}
	for _, key := range candidates {
		if payload, err := s.signed.Verify(key.key); err == nil {
			return payload, key, nil
		}
	}
	return nil, nil, ErrSignature
}
