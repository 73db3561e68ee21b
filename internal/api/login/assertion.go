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
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/token"
)

// maxAssertionLifetime is the longest lifetime of a client assertion. A used assertion is remembered until
// it expires, so that nobody else can use it.
const maxAssertionLifetime = 24 * time.Hour

// clientAssertion parses the client assertion of a request. It is not verified yet.
func (req *tokenRequest) clientAssertion() (*token.Assertion, error) {
	if req.assertionType != jwtBearer {
		return nil, errUnsupportedValue("client_assertion_type", req.assertionType)
	}
	a, err := token.ParseAssertion(string(req.assertion))
	var other *token.AlgorithmError
	switch {
	case errors.As(err, &other):
		return nil, errAlgorithm(other.Algorithm).because(err)
	case err != nil:
		return nil, errAssertionMalformed(err)
	}
	switch a.Type {
	case "", "JWT", "http://openid.net/specs/jwt/1.0":
		return a, nil
	}
	return nil, errHeaderType()
}

// checkAssertion checks a client assertion (RFC 7523) that is signed with the key of one of the client's certificates,
// or that another issuer has signed.
func (h *tokens) checkAssertion(req *tokenRequest, a *token.Assertion, c client) error {
	if foreign(a, c) {
		matched, err := h.federate(req.r.Context(), presented{tenant: req.tenant, client: c, assertion: a, raw: string(req.assertion)})
		req.exchange.client, req.exchange.credential = c, matched
		return err
	}
	req.exchange = nil
	if err := h.checkOwnAssertion(req, a, c); err != nil {
		if err = h.checkAgain(req, a, err); err != nil {
			return err
		}
	}
	// Replay: the assertion was not used from another address.
	one := use{app: arm.Fold(c.AppID), id: assertionID(a), address: addressKey(req.ev.ClientIP), until: a.Expires.Add(clock.Skew)}
	wait, first := h.assertions.first(one, h.Now())
	switch {
	case wait > 0:
		return errThrottled(wait)
	case !first:
		return errAssertionReplayed()
	}
	first, err := h.Grants.UseAssertion(req.r.Context(), grant.AssertionUse{App: one.app, ID: one.id, Address: one.address, Until: one.until})
	if err == nil && !first {
		err = errAssertionReplayed()
	}
	return err
}

// checkAgain is checkOwnAssertion with the certificates that the client has at any replica, after the refusal of an
// assertion whose key this replica does not know.
func (h *tokens) checkAgain(req *tokenRequest, a *token.Assertion, refused error) error {
	var e *Error
	if !errors.As(refused, &e) || e.Number != assertionKey {
		return refused
	}
	c, err := h.findAny(store.Fresh(req.r.Context()), req.tenant, req.clientID)
	if err != nil {
		return err
	}
	return h.checkOwnAssertion(req, a, c)
}

// checkOwnAssertion checks an assertion that the client itself has signed, without its use before.
func (h *tokens) checkOwnAssertion(req *tokenRequest, a *token.Assertion, c client) error {
	// 1. The signature. No other claim is used before it is verified.
	if err := h.checkSigner(a, c); err != nil {
		return err
	}
	// 2. The claims: issuer, subject, audience and times.
	switch {
	case !arm.SameName(a.Issuer, c.AppID) || !arm.SameName(a.Subject, c.AppID):
		return errAssertionIssuer()
	case !h.isAudience(req, a.Audience):
		return errAssertionAudience()
	case !validNow(a, h.Now()):
		return errAssertionTime(h.Now(), a.NotBefore, a.Expires)
	}
	return nil
}

// validNow reports whether an assertion is valid now, and for no longer than maxAssertionLifetime. The
// claims nbf and iat are optional.
func validNow(a *token.Assertion, now time.Time) bool {
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

// assertionID identifies an assertion for the replay check: by its jti, or by its digest if it has none.
func assertionID(a *token.Assertion) [sha256.Size]byte {
	if a.ID == "" {
		return a.Digest
	}
	return sha256.Sum256([]byte("jti\x00" + a.ID))
}

// addressKey returns an address for comparison. All loopback addresses are the same, because a program may
// reach the server by several of them.
func addressKey(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.IsLoopback() {
		return "loopback"
	}
	return address
}

// checkSigner finds the certificate by the assertion's thumbprint and verifies the signature with its key. The
// certificate is the client's or its service principal's; if both have it, one of them must be valid.
func (h *tokens) checkSigner(a *token.Assertion, c client) error {
	refused := errAssertionKey("The key was not found.")
	for _, thumbprint := range a.Thumbprints {
		for _, find := range []func([]byte) (directory.Certificate, bool){c.Certificate, c.principal.Certificate} {
			certificate, found := find(thumbprint)
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
			if certificate.ValidAt(h.Now()) {
				return nil
			}
			refused = errAssertionKey("The key used is expired.")
		}
	}
	return refused
}

// isAudience reports whether an assertion's audience has this tenant's token or introspection endpoint or issuer, at the
// server's own origin or under Azure's names.
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
		path, err := arm.SkipEmptySegments(u.EscapedPath()) // the endpoint is reached under such a URL too
		if err != nil {
			continue
		}
		first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		name, err := url.PathUnescape(first)
		if err != nil || !h.names(req, name) {
			continue
		}
		switch arm.Fold(rest) {
		case "", "v2.0", "oauth2/token", "oauth2/v2.0/token", "oauth2/v2.0/introspect":
			return true
		}
	}
	return false
}

// names reports whether name, the first segment of a path, names the tenant of a request.
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

// expired reports whether err says that a token has expired, and not that it is invalid otherwise.
func expired(err error) (*token.ExpiredError, bool) {
	var e *token.ExpiredError
	return e, errors.As(err, &e)
}
