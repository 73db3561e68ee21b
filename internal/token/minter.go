package token

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"midas/internal/recent"
)

// maxWarm is how many tokens a Minter keeps, at some 2 KB each.
const maxWarm = 4096

// Minter keeps minted tokens warm: who asks again for the same claims gets the same token until
// half its life is over, and of those who ask at once for a token that is not there, one signs and
// all get it. It is safe for concurrent use, and not to be copied.
type Minter struct {
	Issuer  *Issuer
	warm    recent.Cache[warmKey, *Token]
	signing singleflight.Group
}

// NewMinter makes a Minter that has minted nothing yet.
func NewMinter(issuer *Issuer) *Minter {
	return &Minter{Issuer: issuer, warm: recent.Cache[warmKey, *Token]{Limit: maxWarm}}
}

// warmKey holds everything that the token depends on but the time, so that no two askers share a
// token which would differ.
type warmKey struct {
	tenant, subject, object, audience, app, acr, idp, idtyp, mirid, version, roles, user string
	life                                                                                 time.Duration
}

// Request asks a Minter for a token.
type Request struct {
	Claims Claims        // without times and uti
	Life   time.Duration // of a new token; in whole seconds

	// After is the first good second since the principal's tokens were revoked: no token that says
	// it is older is handed out.
	After time.Time
}

// Token gives a token that has at least half its life before it. The token is shared: callers must
// not change its claims.
func (m *Minter) Token(_ context.Context, req Request) (*Token, error) {
	c := req.Claims
	key := warmKey{
		tenant: c.TenantID, subject: c.Subject, object: c.ObjectID, audience: c.Audience, app: c.AppID,
		acr: c.AppIDACR, idp: c.IdentityProvider, idtyp: c.IdentityType, mirid: c.MIResourceID,
		version: c.Version, roles: strings.Join(c.Roles, "\x00"), user: c.user(), life: req.Life,
	}
	if t, ok := m.warm.Get(key); ok && m.good(t, req) {
		return t, nil
	}
	shared, err, _ := m.signing.Do(fmt.Sprintf("%#v", key), func() (any, error) {
		// Whoever signed just before us may have left a token behind.
		if t, ok := m.warm.Get(key); ok && m.good(t, req) {
			return t, nil
		}
		t, err := m.Fresh(req)
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

// Fresh signs a token anew and keeps it for nobody: for people, who ask again when something about
// them has changed.
func (m *Minter) Fresh(req Request) (*Token, error) {
	c, now := req.Claims, whole(m.Issuer.Now())
	c.IssuedAt, c.NotBefore, c.Expires = now, now, now.Add(req.Life)
	if c.IssuedAt.Before(req.After) {
		// All tokens of this second count as revoked; a new one says the next, or it would never be
		// good.
		c.IssuedAt = req.After
	}
	return m.Issuer.mint(c)
}

// good reports whether a warm token may be handed out: it is young enough, the principal's tokens
// were not revoked since, and its key is still published.
func (m *Minter) good(t *Token, req Request) bool {
	now := m.Issuer.Now()
	if !now.Before(t.Claims.NotBefore.Add(req.Life / 2)) {
		return false
	}
	if now.Before(t.Claims.NotBefore) || t.Claims.IssuedAt.Before(req.After) {
		return false
	}
	_, published := m.Issuer.Keys.published(t.kid, now)
	return published
}
