package token

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"midas/internal/recent"
)

// maxWarm is how many tokens a Minter caches, at about 2 KB each.
const maxWarm = 4096

// Minter caches minted tokens: requests with the same claims get the same token until half its lifetime is
// over, and concurrent requests for a missing token share one signature. It is safe for concurrent use and
// must not be copied.
type Minter struct {
	Issuer  *Issuer
	warm    recent.Cache[warmKey, *Token]
	signing singleflight.Group
}

// NewMinter makes a Minter that has minted nothing yet.
func NewMinter(issuer *Issuer) *Minter {
	return &Minter{Issuer: issuer, warm: recent.Cache[warmKey, *Token]{Limit: maxWarm}}
}

// warmKey holds everything except the time that the token depends on, so that requests share a token only
// if their tokens would be equal.
type warmKey struct {
	tenant, subject, object, audience, app, acr, idp, idtyp, mirid, version, roles, user string
	attested                                                                             bool
	life                                                                                 time.Duration
}

// Forget drops the cached tokens, because a laboratory has returned to an earlier state.
func (m *Minter) Forget() { m.warm.Clear() }

// Request is a request to a Minter.
type Request struct {
	Claims   Claims        // without times and uti
	Lifetime time.Duration // of a new token; in whole seconds
	Spread   time.Duration // by up to which, at random, a new token lives shorter; the same for the same Lifetime

	// After is the first valid second after a revocation: no token that was issued earlier is returned.
	After time.Time
}

// Token returns a token that is valid for at least half its lifetime. The token is shared: callers must not
// change its claims.
func (m *Minter) Token(ctx context.Context, req Request) (*Token, error) {
	if req.Claims.Confirmation != nil {
		return m.Fresh(ctx, req) // clients make a new key for nearly each token, which would empty the cache
	}
	c := req.Claims
	key := warmKey{
		tenant: c.TenantID, subject: c.Subject, object: c.ObjectID, audience: c.Audience, app: c.AppID,
		acr: c.AppIDACR, idp: c.IdentityProvider, idtyp: c.IdentityType, mirid: c.MIResourceID,
		version: c.Version, roles: strings.Join(c.Roles, "\x00"), user: c.user(), attested: c.Attested, life: req.Lifetime,
	}
	if t, ok := m.warm.Get(key); ok && m.good(t, req) {
		return t, nil
	}
	shared, err, _ := m.signing.Do(fmt.Sprintf("%#v", key), func() (any, error) {
		// A previous call may have cached a token just before this one began.
		if t, ok := m.warm.Get(key); ok && m.good(t, req) {
			return t, nil
		}
		t, err := m.Fresh(ctx, req)
		if err != nil {
			return nil, err
		}
		m.warm.Put(key, t)
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	return shared.(*Token), nil
}

// Fresh signs a new token and does not cache it. It is used for user tokens, which must reflect changes of
// the user at once, and for tokens that are bound to a key.
func (m *Minter) Fresh(ctx context.Context, req Request) (*Token, error) {
	c, now := req.Claims, whole(m.Issuer.Now())
	c.Issued, c.Expires = now, now.Add(req.Lifetime)
	if req.Spread > 0 {
		c.Expires = c.Expires.Add(-rand.N(req.Spread)) // it need not be unpredictable
	}
	if c.Issued.Before(req.After) {
		// All tokens of the current second count as revoked, so the new token is dated to the next one.
		c.Issued = req.After
	}
	return m.Issuer.mint(ctx, c)
}

// good reports whether a cached token may be returned: it is young enough, it was not revoked since, and
// its key is still published.
func (m *Minter) good(t *Token, req Request) bool {
	now := m.Issuer.Now()
	if !now.Before(t.Claims.Expires.Add(-req.Lifetime/2)) || now.Before(t.Claims.Expires.Add(-req.Lifetime)) {
		return false
	}
	if t.Claims.Issued.Before(req.After) {
		return false
	}
	_, published := m.Issuer.Keys.published(t.kid, now)
	return published
}
