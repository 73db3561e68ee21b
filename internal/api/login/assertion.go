package login

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/clock"
	"midas/internal/token"
)

// DefaultAssertions is how many client assertions are remembered if nothing else is said.
const DefaultAssertions = 10_000

// checkAssertion checks a client assertion (RFC 7523) that is signed with the key of one of the
// client's certificates.
func (h *Handler) checkAssertion(req *tokenRequest, c client) error {
	if req.assertionType != jwtBearer {
		return errUnsupportedValue("client_assertion_type", req.assertionType)
	}
	a, err := token.ParseAssertion(string(req.assertion))
	if err != nil {
		return errAssertionMalformed(err)
	}
	// 1. Who has signed it. Nothing else that it says counts before that.
	if err := h.checkSigner(a, c); err != nil {
		return err
	}
	// 2. That it speaks of this client, to us, now.
	now := h.Now()
	switch {
	case !arm.SameName(a.Issuer, c.AppID) || !arm.SameName(a.Subject, c.AppID):
		return errAssertionIssuer()
	case !h.isAudience(req, a.Audience):
		return errAssertionAudience()
	case a.Expires.IsZero() || !now.Add(-clock.Skew).Before(a.Expires) || !clock.Begun(a.NotBefore, now):
		return errAssertionTime(now, a.NotBefore, a.Expires)
	}
	// 3. That nobody has picked it up on its way.
	if !h.assertions.first(a, c.AppID, req.ev.ClientIP, now, or(h.MaxAssertions, DefaultAssertions)) {
		return errAssertionReplayed()
	}
	return nil
}

// checkSigner finds the certificate that the assertion names, and verifies with its key.
func (h *Handler) checkSigner(a *token.Assertion, c client) error {
	for _, thumbprint := range a.Thumbprints {
		certificate, found := c.Certificate(thumbprint)
		if !found {
			continue
		}
		key, err := certificate.PublicKey()
		if err != nil {
			return err
		}
		if err := a.Verify(key); err != nil {
			return errAssertionKey("The provided signature value did not match the expected signature value.").because(err)
		}
		if !certificate.ValidAt(h.Now()) {
			return errAssertionKey("The key used is expired.")
		}
		return nil
	}
	return errAssertionKey("The key was not found.")
}

// isAudience reports whether an assertion is for this tenant's token endpoint or issuer, under
// whichever of our names.
func (h *Handler) isAudience(req *tokenRequest, audience []string) bool {
	for _, one := range audience {
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			continue
		}
		own := "https://"+arm.Fold(u.Host) == arm.Fold(h.issuer().Origin)
		if !own && azure.FaceOf(u.Host) != azure.Login {
			continue
		}
		first, rest, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
		name, err := url.PathUnescape(first)
		if err != nil || !h.names(req, name) {
			continue
		}
		switch arm.Fold(rest) {
		case "", "v2.0", "oauth2/token", "oauth2/v2.0/token":
			return true
		}
	}
	return false
}

// names reports whether a path's first segment names the tenant of a request.
func (h *Handler) names(req *tokenRequest, name string) bool {
	switch folded := arm.Fold(name); {
	case folded == "":
		return false
	case folded == arm.Fold(req.tenant.ID), folded == arm.Fold(req.tenant.DefaultDomain):
		return true
	case folded == adfs:
		return arm.SameName(h.HomeTenant, req.tenant.ID)
	default:
		return folded == arm.Fold(req.exchange.tenant)
	}
}

// assertions remembers which client assertions were used, and from where, until they expire. The zero
// value is ready.
//
// An assertion may be used again from the address that has used it first: MSAL for Python signs one
// and asks with it for tokens for several resources. From another address it is a copy.
type assertions struct {
	mu   sync.Mutex
	used map[[sha256.Size]byte]use
}

type use struct {
	client string // address
	until  time.Time
}

// first reports whether an assertion has not been used from elsewhere. One without an id cannot be
// told from others and always passes.
func (s *assertions) first(a *token.Assertion, app, address string, now time.Time, limit int) bool {
	if a.ID == "" {
		return true
	}
	name, address := sha256.Sum256([]byte(arm.Fold(app)+"\x00"+a.ID)), place(address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, known := s.used[name]; known && now.Before(before.until) {
		return before.client == address
	}
	if len(s.used) >= limit {
		s.makeRoom(now)
	}
	if s.used == nil {
		s.used = make(map[[sha256.Size]byte]use)
	}
	s.used[name] = use{client: address, until: a.Expires.Add(clock.Skew)}
	return true
}

// makeRoom forgets what has expired, or else what expires next.
func (s *assertions) makeRoom(now time.Time) {
	var next [sha256.Size]byte
	var soonest time.Time
	for name, u := range s.used {
		if !now.Before(u.until) {
			delete(s.used, name)
		}
		if soonest.IsZero() || u.until.Before(soonest) {
			next, soonest = name, u.until
		}
	}
	delete(s.used, next)
}

// place is an address as far as it tells machines apart: one machine reaches another on the loopback
// by several.
func place(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.IsLoopback() {
		return "loopback"
	}
	return address
}

// expired tells a token whose time is over from one that is unsound.
func expired(err error) (*token.ExpiredError, bool) {
	var e *token.ExpiredError
	return e, errors.As(err, &e)
}
