package login

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/clock"
	"midas/internal/token"
)

// maxAssertionLifetime is for how long a client assertion may be good. It has to be remembered for that long,
// so that nobody else uses it.
const maxAssertionLifetime = 24 * time.Hour

// checkAssertion checks a client assertion (RFC 7523) that is signed with the key of one of the
// client's certificates.
func (h *tokens) checkAssertion(req *tokenRequest, c client) error {
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
	case !timely(a, now):
		return errAssertionTime(now, a.NotBefore, a.Expires)
	}
	// 3. That nobody has picked it up on its way.
	wait, first := h.assertions.first(use{
		app: arm.Fold(c.AppID), name: nameOf(a), client: place(req.ev.ClientIP), until: a.Expires.Add(clock.Skew),
	}, now)
	switch {
	case wait > 0:
		return errThrottled(wait)
	case !first:
		return errAssertionReplayed()
	}
	return nil
}

// timely reports whether an assertion is good now, and was not made to be good for long. What it does not
// say of its beginning is not held against it.
func timely(a *token.Assertion, now time.Time) bool {
	begins := a.NotBefore
	if a.IssuedAt.After(begins) {
		begins = a.IssuedAt
	}
	latest := now.Add(maxAssertionLifetime)
	if !begins.IsZero() && begins.Before(now) {
		latest = begins.Add(maxAssertionLifetime)
	}
	return now.Add(-clock.Skew).Before(a.Expires) && clock.Begun(begins, now) && !a.Expires.After(latest.Add(clock.Skew))
}

// nameOf is by what an assertion is known again: its id, or what it says if it has none.
func nameOf(a *token.Assertion) [sha256.Size]byte {
	if a.ID == "" {
		return a.Digest
	}
	return sha256.Sum256([]byte("jti\x00" + a.ID))
}

// place is an address as far as it tells machines apart: one machine reaches another on the loopback
// by several.
func place(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.IsLoopback() {
		return "loopback"
	}
	return address
}

// checkSigner finds the certificate that the assertion names, and verifies with its key.
func (h *tokens) checkSigner(a *token.Assertion, c client) error {
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
func (h *tokens) isAudience(req *tokenRequest, audience []string) bool {
	for _, one := range audience {
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			continue
		}
		own := "https://"+arm.Fold(u.Host) == arm.Fold(h.issuer().Origin)
		if !own && azure.APIOf(u.Host) != azure.Login {
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
func (h *tokens) names(req *tokenRequest, name string) bool {
	switch folded := arm.Fold(name); {
	case folded == "":
		return false
	case folded == arm.Fold(req.tenant.ID), folded == arm.Fold(req.tenant.DefaultDomain):
		return true
	case folded == adfs:
		return arm.SameName(h.HomeTenant, req.tenant.ID)
	default:
		return folded == arm.Fold(req.pathTenant)
	}
}

// expired tells a token whose time is over from one that is unsound.
func expired(err error) (*token.ExpiredError, bool) {
	var e *token.ExpiredError
	return e, errors.As(err, &e)
}
