package token

import (
	"errors"
	"fmt"
	"time"
)

// The reasons to refuse a token, for errors.Is and errors.As.
var (
	ErrMalformed   = errors.New("token: not a signed token of this kind")
	ErrUnknownKey  = errors.New("token: signed with a key that is not published here")
	ErrSignature   = errors.New("token: the signature is wrong")
	ErrIssuer      = errors.New("token: the issuer is not the one of this installation and of the token's tenant")
	ErrBound       = errors.New("token: bound to a key of its client, so it is not a bearer token")
	ErrNotYetValid = errors.New("token: not valid yet")
)

// ErrMaster means that a signing key cannot be decrypted.
var ErrMaster = errors.New("token: the signing keys were sealed with another master key, or a row is damaged")

// ExpiredError means that a token has expired.
type ExpiredError struct {
	Expired time.Time // the token's exp
	Now     time.Time // when it was presented
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("token: expired at %s, it is %s",
		e.Expired.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}
