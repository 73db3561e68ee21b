// Package bearer decides whether the bearer token of a request (RFC 6750) is valid, and looks up its
// subject. Every API that takes access tokens uses it, so that revocation has the same effect in each API.
//
// A request passes two steps. Verify reads the Authorization header, verifies the token, and compares
// its audience with those of the API. Subject looks the token's subject up in the directory: a deleted
// or disabled subject is refused, and so is a token that was issued before the subject's tokens were
// revoked. The subject's groups come from the directory too, not from the token, so that a change of
// membership takes effect with the next request.
//
// The errors say why a token is refused. Each API maps them to its own error codes.
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

// Verifier verifies access tokens. Outside of tests it is a *token.Verifier.
type Verifier interface {
	// Verify returns the claims of a valid token, or one of the errors of *token.Verifier.
	Verify(ctx context.Context, raw string) (*token.Claims, error)
}

// Checker checks the bearer tokens of one API. All fields but Groups are required. It is safe for
// concurrent use.
type Checker struct {
	Tokens    Verifier
	Directory *directory.Directory
	Audiences map[string]bool // the values of aud that the API accepts, compared exactly
	Groups    bool            // the API needs Subject.Groups
}

// Subject is the current state of the user or application that a token was issued to.
type Subject struct {
	TenantID string
	ObjectID string
	User     bool     // a user; otherwise an application or a managed identity
	Groups   []string // object ids of its groups, direct and transitive, if the Checker has Groups; shared, not to be modified
}

// Verify returns the claims of the request's bearer token. It refuses the request with ErrNoToken,
// ErrNotBearer, an *AudienceError, or one of the errors of the Verifier. The claims are shared and must not
// be changed.
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

// Subject returns the subject of verified claims. It refuses the subject with ErrSubjectNotFound,
// ErrSubjectDisabled, or a *RevokedError. It reads one record, which the directory caches decoded. With Groups
// it also looks up the groups, which the directory caches until they change.
func (c *Checker) Subject(tx store.Tx, claims *token.Claims) (Subject, error) {
	now, err := c.Directory.TokenStatus(tx, claims.TenantID, claims.ObjectID)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return Subject{}, ErrSubjectNotFound
	case err != nil:
		return Subject{}, fmt.Errorf("look up %s: %w", claims.ObjectID, err)
	case !now.Enabled:
		return Subject{}, ErrSubjectDisabled
	case claims.Issued.Before(now.ValidFrom):
		return Subject{}, &RevokedError{ValidFrom: now.ValidFrom}
	}
	s := Subject{TenantID: claims.TenantID, ObjectID: claims.ObjectID, User: now.User}
	if c.Groups {
		s.Groups, err = c.Directory.GroupsOf(tx, s.TenantID, s.ObjectID)
	}
	return s, err
}
