// Package bearer decides whether the bearer token of a request (RFC 6750) is good, and who its subject
// is now. Every API that takes access tokens asks it, so that revocation means the same at each.
//
// A request passes two steps. Verify reads the Authorization header, verifies the token, and compares
// its audience with those of the API. Subject looks the token's subject up in the directory: a deleted
// or disabled subject is refused, and so is a token that was issued before the subject's tokens were
// revoked. The subject's groups come from the directory too, not from the token, so that a change of
// membership counts from the next request on.
//
// The errors say why a token is refused. Each API puts them into its own words.
package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// Verifier verifies access tokens. *token.Verifier is the one that is used outside of tests.
type Verifier interface {
	// Verify gives the claims of a good token, or one of the errors of *token.Verifier.
	Verify(ctx context.Context, raw string) (*token.Claims, error)
}

// Checker checks the bearer tokens of one API. All fields but Groups are required. It is safe for
// concurrent use.
type Checker struct {
	Tokens    Verifier
	Directory *directory.Directory
	Audiences map[string]bool // the values of aud that the API accepts, to the letter
	Groups    bool            // the API needs Subject.Groups, which costs a read for each group
}

// Subject is the user or the application that a token was issued to, as the directory knows it now.
type Subject struct {
	TenantID string
	ObjectID string
	User     bool     // a user; otherwise an application or a managed identity
	Groups   []string // object ids of the groups that it is in, directly or not, if the Checker has Groups
}

// Verify gives the claims of the request's bearer token. It is refused with ErrNoToken, ErrNotBearer,
// an *AudienceError, or one of the errors of the Verifier. The claims are shared and must not be
// changed.
func (c *Checker) Verify(r *http.Request) (*token.Claims, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return nil, ErrNoToken
	}
	scheme, raw, found := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !found || !arm.SameName(scheme, "Bearer") {
		return nil, ErrNotBearer
	}
	claims, err := c.Tokens.Verify(r.Context(), strings.TrimSpace(raw))
	if err != nil {
		return nil, fmt.Errorf("verify the bearer token: %w", err)
	}
	if !c.Audiences[claims.Audience] {
		return nil, &AudienceError{Audience: claims.Audience}
	}
	return claims, nil
}

// Subject gives the subject of verified claims. It is refused with ErrSubjectNotFound,
// ErrSubjectDisabled, or a *RevokedError. It reads one record, which the directory keeps decoded, and
// with Groups small scans, which the store caches.
func (c *Checker) Subject(tx store.Tx, claims *token.Claims) (Subject, error) {
	now, err := c.Directory.TokenStatus(tx, claims.TenantID, claims.ObjectID)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return Subject{}, ErrSubjectNotFound
	case err != nil:
		return Subject{}, fmt.Errorf("look up %s: %w", claims.ObjectID, err)
	case !now.Enabled:
		return Subject{}, ErrSubjectDisabled
	case claims.IssuedAt.Before(now.ValidFrom):
		return Subject{}, &RevokedError{ValidFrom: now.ValidFrom}
	}
	s := Subject{TenantID: claims.TenantID, ObjectID: claims.ObjectID, User: now.User}
	if c.Groups {
		s.Groups, err = c.Directory.TransitiveMemberOf(tx, s.TenantID, s.ObjectID)
	}
	return s, err
}
