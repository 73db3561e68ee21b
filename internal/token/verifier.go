package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/clock"
	"midas/internal/recent"
)

// MaxSize is the longest token that is examined, in bytes.
const MaxSize = 16 << 10

// Verifier accepts the tokens that an Issuer with the same keys and the same origin has minted, and no
// others. It is safe for concurrent use and must not be copied.
//
// It refuses a token from its exp on, without leeway, because this installation has set that time. It
// allows clock.Skew for the time of issue, because another replica, whose clock is ahead, may have minted the
// token. It does not check the audience; the APIs do.
type Verifier struct {
	Keys   *Keys
	Now    func() time.Time
	Origin string // of the Issuer

	verified recent.Cache[[sha256.Size]byte, *verified] // about 1 KB each
	own      sync.Map                                   // of tokens of Admit: *Claims by the hash of the token
}

// Admit makes a token of this process for its own requests, which needs no signing key. Nobody else knows it: it is
// random, it is not stored, and it is valid until end is called. Verify accepts it as one with these claims.
func (v *Verifier) Admit(c Claims) (raw string, end func()) {
	raw = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(raw))
	v.own.Store(sum, &c)
	return raw, func() { v.own.Delete(sum) }
}

// Forget drops the results for tokens, because a laboratory has returned to an earlier time.
func (v *Verifier) Forget() { v.verified.Clear() }

// verified is the result for one token that was good.
type verified struct {
	claims *Claims
	kid    string
}

// Verify returns the claims of a valid token. They are shared: callers must not change them. The error
// wraps ErrMalformed, ErrUnknownKey, ErrSignature, ErrIssuer, ErrBound or ErrNotYetValid, or is an *ExpiredError.
//
// A valid token is parsed and verified once. Later calls look up its hash and check its expiry and whether
// its key is still published.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Claims, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, MaxSize)
	}
	// A token of the usual size is copied to the stack, so that a cache hit allocates nothing. A
	// conversion to []byte takes as long and allocates 1.4 KB, at every request.
	var buffer [2 << 10]byte
	now, sum := v.Now(), sha256.Sum256(append(buffer[:0], raw...))
	if known, ok := v.verified.Get(sum); ok {
		if _, published := v.Keys.published(known.kid, now); published {
			if err := inTime(known.claims, now); err != nil {
				return nil, err
			}
			return known.claims, nil
		}
		v.verified.Drop(sum)
	}
	if own, ok := v.own.Load(sum); ok {
		claims := own.(*Claims)
		return claims, inTime(claims, now)
	}
	claims, kid, err := v.examine(ctx, raw, now)
	if err != nil {
		return nil, err
	}
	v.verified.Put(sum, &verified{claims: claims, kid: kid})
	return claims, nil
}

// examine parses and verifies a token that is not in the cache.
func (v *Verifier) examine(ctx context.Context, raw string, now time.Time) (*Claims, string, error) {
	if _, ok := decodeCompact(raw); !ok {
		return nil, "", fmt.Errorf("%w: it is not three parts of base64url", ErrMalformed)
	}
	// The algorithm is fixed and not chosen by the token. Keys in the header are ignored.
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	kid := signed.Signatures[0].Protected.KeyID
	key, ok := v.Keys.published(kid, now)
	if !ok { // another replica may just have made the key
		if err := v.Keys.Refresh(ctx); err != nil {
			return nil, "", err
		}
		if key, ok = v.Keys.published(kid, now); !ok {
			return nil, "", ErrUnknownKey
		}
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
	// An id_token is signed with the same keys, but its audience is a client and it is not an access token.
	if c.AppID == "" {
		return nil, "", fmt.Errorf("%w: it is not an access token", ErrMalformed)
	}
	if c.Confirmation != nil {
		return nil, "", ErrBound
	}
	return &c, kid, inTime(&c, now)
}

// issuedUnder reports whether the issuer is that of the token's tenant and version.
func (c *Claims) issuedUnder(origin string) bool {
	switch {
	case c.TenantID == "":
		return false
	case c.Version == V2:
		return c.Issuer == issuerV2(origin, c.TenantID)
	}
	return c.Version == V1 && c.Issuer == issuerV1(origin, c.TenantID)
}

// inTime returns an error if the token has expired or is not valid yet.
func inTime(c *Claims, now time.Time) error {
	if !now.Before(c.Expires) {
		return &ExpiredError{Expired: c.Expires, Now: now}
	}
	if !clock.Begun(c.Issued, now) {
		return ErrNotYetValid
	}
	return nil
}
