package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/clock"
	"midas/internal/recent"
)

// MaxSize is the longest token that is examined, in bytes.
const MaxSize = 16 << 10

// Verifier accepts the tokens that an Issuer with the same keys and the same origin has minted, and
// no others. It is safe for concurrent use, and not to be copied.
//
// A token is refused from its exp on, without leeway, for that moment comes from a clock of our
// own. Of nbf it forgives clock.Skew, since another replica, whose clock is ahead, may have minted
// the token. Who the token is for is not looked at: that is for the face that was asked.
type Verifier struct {
	Keys   *Keys
	Now    func() time.Time
	Origin string // of the Issuer

	verified recent.Cache[[sha256.Size]byte, *verified] // some 1 KB each
}

// verified is the result for one token that was good.
type verified struct {
	claims *Claims
	kid    string
}

// Verify gives the claims of a good token. They are shared: callers must not change them. The error
// wraps ErrMalformed, ErrUnknownKey, ErrSignature, ErrIssuer or ErrNotYetValid, or is an
// *ExpiredError.
//
// A good token is parsed and verified once. Afterwards only its hash is looked up, and whether its
// time is over or its key was withdrawn.
func (v *Verifier) Verify(_ context.Context, raw string) (*Claims, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, MaxSize)
	}
	// Tokens of the usual size are copied to the stack, so that a look at a known one allocates nothing.
	var room [2 << 10]byte
	now, sum := v.Now(), sha256.Sum256(append(room[:0], raw...))
	if known, ok := v.verified.Get(sum); ok {
		if _, published := v.Keys.published(known.kid, now); published {
			if err := inTime(known.claims, now); err != nil {
				return nil, err
			}
			return known.claims, nil
		}
		v.verified.Drop(sum)
	}
	claims, kid, err := v.examine(raw, now)
	if err != nil {
		return nil, err
	}
	v.verified.Put(sum, &verified{claims: claims, kid: kid})
	return claims, nil
}

// examine does all the work that a first look at a token takes.
func (v *Verifier) examine(raw string, now time.Time) (*Claims, string, error) {
	if !canonical(raw) {
		return nil, "", fmt.Errorf("%w: it is not three parts of base64url", ErrMalformed)
	}
	// The algorithm is ours to say, not the token's; keys that a header brings along are not read.
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	kid := signed.Signatures[0].Protected.KeyID
	key, ok := v.Keys.published(kid, now)
	if !ok {
		return nil, "", ErrUnknownKey
	}
	payload, err := signed.Verify(&key.private.PublicKey)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !c.issuedUnder(v.Origin) {
		return nil, "", ErrIssuer
	}
	// An id_token is signed with the same keys, but it tells a client who its user is and opens
	// nothing.
	if c.AppID == "" {
		return nil, "", fmt.Errorf("%w: it is no access token", ErrMalformed)
	}
	return &c, kid, inTime(&c, now)
}

// issuedUnder reports whether the issuer is the one that tokens of this tenant and version have.
func (c *Claims) issuedUnder(origin string) bool {
	switch {
	case c.TenantID == "":
		return false
	case c.Version == V2:
		return c.Issuer == issuerV2(origin, c.TenantID)
	}
	return c.Version == V1 && c.Issuer == issuerV1(origin, c.TenantID)
}

func inTime(c *Claims, now time.Time) error {
	if !now.Before(c.Expires) {
		return &ExpiredError{Expired: c.Expires, Now: now}
	}
	if !clock.Begun(c.NotBefore, now) {
		return ErrNotYetValid
	}
	return nil
}

// canonical reports whether raw is spelled in the one way in which a token is spelled. Decoders
// forgive line breaks and stray bits at the end of a part, so without this one good token would
// have any number of spellings, and each would take a place among the verified.
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
