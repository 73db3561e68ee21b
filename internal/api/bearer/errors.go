package bearer

import (
	"errors"
	"fmt"
	"time"

	"midas/internal/token"
)

// The reasons to refuse a request or its token, for errors.Is.
var (
	ErrNoToken         = errors.New("bearer: the request has no Authorization header")
	ErrNotBearer       = errors.New("bearer: the Authorization header is not a single bearer token")
	ErrSubjectNotFound = errors.New("bearer: the subject of the token does not exist")
	ErrSubjectDisabled = errors.New("bearer: the subject of the token is disabled")
)

// AudienceError refuses a token that is for another API.
type AudienceError struct{ Audience string }

func (e *AudienceError) Error() string { return fmt.Sprintf("bearer: the token is for %q", e.Audience) }

// RevokedError refuses a token that was issued before the tokens of its subject were revoked.
type RevokedError struct {
	ValidFrom time.Time // tokens that were issued earlier are revoked
}

func (e *RevokedError) Error() string {
	return "bearer: the token was issued before " + e.ValidFrom.UTC().Format(time.RFC3339) + ", when the tokens of its subject were revoked"
}

// IsRefusal reports whether an error refuses the token. All other errors mean that the check itself failed,
// for example because the store could not be read.
func IsRefusal(err error) bool {
	var expired *token.ExpiredError
	var audience *AudienceError
	var revoked *RevokedError
	if errors.As(err, &expired) || errors.As(err, &audience) || errors.As(err, &revoked) {
		return true
	}
	for _, refusal := range []error{
		ErrNoToken, ErrNotBearer, ErrSubjectNotFound, ErrSubjectDisabled,
		token.ErrMalformed, token.ErrUnknownKey, token.ErrSignature, token.ErrIssuer, token.ErrBound, token.ErrNotYetValid,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
